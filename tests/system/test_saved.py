# SPDX-License-Identifier: MIT
"""The configuration as text, what a restart would lose, and saving it (M11)."""

import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from command import gaidaros
from harness import Daemon, free_port, wait_until
from rig import ask_for, ask_name, post
from scene import config

pytestmark = pytest.mark.san_subset

WRITTEN = """# Made by hand; keep the comments.
[service web]
listen = 127.0.0.1:{port} ; the front door
group = main
standby = spare

; the machines
[group main]
host = one {one} weight=2 ; the old one
host = two {two}
[group spare]
host = spare {spare}
"""


@pytest.fixture
def written(daemon, host):
    """A daemon of a file with comments: (daemon, port, text)."""
    port = free_port()
    hosts = {name: host(name, "id").address for name in ("one", "two", "spare")}
    text = WRITTEN.format(port=port, **hosts)
    running = daemon(text, workers=2)
    running.edited = 1
    return running, port, text


def get(running, path):
    answer = running.http("GET", path)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    return answer.text


def file_text(running):
    with open(running.file, encoding="utf-8") as file:
        return file.read()


def change(running):
    """One change of each kind."""
    ask_for(running, "setWeight", name="one", weight=5)
    ask_for(running, "hostAdminDown", name="two")
    ask_for(running, "newGroup", group="late", scheduler="first")
    ask_for(running, "addHost", group="late", name="x", address="127.0.0.1:9")
    ask_for(running, "delGroup", group="late")
    ask_for(running, "addHost", name="three", address="127.0.0.1:9", weight=0)
    ask_for(running, "changeScheduler", scheduler="leastconn")


def read_back(running, folder, text):
    """-D of the text."""
    path = os.path.join(folder, "again.conf")
    with open(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    done = gaidaros("-c", path, "-D")
    assert done.status == 0, done
    return done.out


def test_both_configurations_read_back_to_the_same(written, folder):
    running, _, _ = written
    assert get(running, "/config/diff") == ""
    assert get(running, "/config") == get(running, "/config/running")
    change(running)
    for path in ("/config", "/config/running"):
        text = get(running, path)
        assert read_back(running, folder, text) == text, path


def test_the_difference_is_what_a_restart_would_lose(written, folder):
    running, _, _ = written
    change(running)
    diff = get(running, "/config/diff")
    for name, text in (("a", get(running, "/config")), ("b", get(running, "/config/running"))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    subprocess.run(["patch", "-s", "a"], input=diff, text=True, cwd=folder, check=True)
    assert subprocess.run(["cmp", "a", "b"], cwd=folder, check=False).returncode == 0
    assert "+host = three 127.0.0.1:9 weight=0" in diff and "state=down" in diff


def test_saving_keeps_what_was_not_changed_and_a_restart_comes_up_the_same(written, folder):
    running, port, _ = written
    before = file_text(running)
    os.chmod(running.file, 0o640)
    os.chown(running.file, 65534, 65534)
    change(running)
    wanted = get(running, "/config/running")
    said = ask_for(running, "saveConfig", service=None, group=None)
    assert said == f"saved: {running.file}"
    after = file_text(running)
    lines = before.splitlines()
    two = next(number for number, line in enumerate(lines) if line.startswith("host = two"))
    lines[two - 1] = lines[two - 1].replace("weight=2 ;", "weight=5 ;")
    lines[two:two + 1] = [lines[two] + " state=down", "host = three 127.0.0.1:9 weight=0", "scheduler = leastconn"]
    assert after.splitlines() == lines
    info = os.stat(running.file)
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o640, 65534, 65534)
    with open(running.file + ".old", encoding="utf-8") as file:
        assert file.read() == before
    assert get(running, "/config/diff") == ""
    assert get(running, "/config") == wanted
    running.stop()
    text = "".join(line for line in after.splitlines(True) if not line.startswith(("pidfile", "control", "workers")))
    again = Daemon(text, folder / "again", workers=2)
    try:
        assert again.http("GET", "/config/running").text.split("[service")[1] == wanted.split("[service")[1]
        wait_until(lambda: ask_name(f"127.0.0.1:{port}") == "one", what="the host that is left")
    finally:
        again.stop()


def test_a_file_that_users_come_into_is_not_for_others(daemon, host):
    """It could not be read back else; group and owner stay as they are."""
    running = daemon(config(free_port(), [host("one")]), workers=1)
    running.edited = 1
    os.chmod(running.file, 0o644)
    assert post(running, "addUser", name="eve", password="a long secret", access="full").status == 200
    answer = post(running, "saveConfig")
    assert answer.status == 200 and "others may not read it any more" in answer.json()["message"], answer.text
    assert stat.S_IMODE(os.stat(running.file).st_mode) == 0o640
    assert stat.S_IMODE(os.stat(running.file + ".old").st_mode) == 0o644
    assert gaidaros("-c", running.file, "-t").status == 0
    running.reload()


def test_the_group_in_force_is_saved(written):
    running, port, _ = written
    ask_for(running, "enableGroup", group="spare")
    ask_for(running, "saveConfig", service=None, group=None)
    assert "group = spare\nstandby = main\n" in file_text(running)
    assert ask_name(f"127.0.0.1:{port}") == "spare"


def test_included_files_are_saved_where_their_lines_are(daemon, host, folder):
    port, one = free_port(), host("one")
    os.makedirs(folder / "daemon0" / "conf.d", exist_ok=True)
    part = folder / "daemon0" / "conf.d" / "groups.conf"
    with open(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(f"# mine\n[group main]\nhost = one {one.address}\n")
    running = daemon(f"[global]\ninclude = conf.d/*.conf\n[service web]\nlisten = 127.0.0.1:{port}\ngroup = main\n")
    running.edited = 1
    before = file_text(running)
    ask_for(running, "addHost", name="two", address=one.address)
    ask_for(running, "saveConfig", service=None, group=None)
    assert file_text(running) == before
    assert part.read_text() == f"# mine\n[group main]\nhost = one {one.address}\nhost = two {one.address}\n"


def refused(running, why):
    """saveConfig is refused so, and leaves all as it was."""
    before, listing = file_text(running), sorted(os.listdir(os.path.dirname(running.file)))
    diff = get(running, "/config/diff")
    said = ask_for(running, "saveConfig", status=409, service=None, group=None)
    assert why in said
    assert file_text(running) == before
    assert sorted(os.listdir(os.path.dirname(running.file))) == listing
    assert get(running, "/config/diff") == diff


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(written):
    running, _, _ = written
    ask_for(running, "setWeight", name="one", weight=5)
    with open(running.file, "a", encoding="utf-8") as file:
        file.write("\nqueue_timeout = 7s\n")
    refused(running, "has been changed since it was read")
    with open(running.file, "a", encoding="utf-8") as file:
        file.write("nonsense\n")
    refused(running, "cannot be read any more")


def test_an_empty_group_is_not_saved(written):
    running, _, _ = written
    ask_for(running, "newGroup", group="late", scheduler="first")
    refused(running, "group late has no host")


def test_a_full_disk_leaves_all_as_it_was(daemon, host, folder):
    place = folder / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", place], check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        link = folder / "link.conf"
        running = daemon(config(free_port(), [host("one")]))
        running.edited = 1
        shutil.copy(running.file, place / "gaidaros.conf")
        os.chmod(place / "gaidaros.conf", 0o600)
        os.unlink(running.file)
        os.symlink(place / "gaidaros.conf", running.file)
        running.reload()
        ask_for(running, "setWeight", name="one", weight=5)
        with open(place / "ballast", "wb", buffering=0) as file:
            with pytest.raises(OSError):
                while True:
                    file.write(b"x" * 4096)
        before = file_text(running)
        assert "No space left" in ask_for(running, "saveConfig", status=409, service=None, group=None)
        assert file_text(running) == before and sorted(os.listdir(place)) == ["ballast", "gaidaros.conf"]
        os.unlink(place / "ballast")
        ask_for(running, "saveConfig", service=None, group=None)
        assert os.path.islink(running.file), "the link stays"
        assert "weight=5" in (place / "gaidaros.conf").read_text()
        assert not link.exists()
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_saves_and_changes_at_once_keep_their_order(written):
    running, _, _ = written

    def work(number):
        answers = []
        for turn in range(4):
            answers.append(post(running, "addHost", service="web", group="main", name=f"w{number}-{turn}",
                                address="127.0.0.1:9", weight=0).status)
            answers.append(post(running, "saveConfig").status)
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = [status for statuses in pool.map(work, range(8)) for status in statuses]
    assert set(answers) == {200}
    assert get(running, "/config/diff") == ""
    names = [line.split()[2] for line in file_text(running).splitlines() if line.startswith("host = w")]
    assert sorted(names) == sorted(f"w{number}-{turn}" for number in range(8) for turn in range(4))
