# SPDX-License-Identifier: MIT
"""Runs the daemon's command line to its end and gives back what it said."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "tools")))

from harness import BIN, CTL, ROOT, SAN, SANITIZER_LINE, child_env  # noqa: E402  (found through the path above)

__all__ = ["BIN", "CTL", "ROOT", "SAN", "AS_NOBODY", "Said", "gaidaros", "gaidarosctl", "open_to_nobody"]

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Said:
    """The exit status and the output of one run."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def lines(self):
        return self.err.splitlines()

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-4000:]}"


def run(words, timeout=60, **popen):
    """Runs a program to its end; a signal's death shows as a negative status."""
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen["env"] = popen.get("env") or child_env()
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, check=False, **popen)
    said = Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    assert not SANITIZER_LINE.search(said.err), said
    return said


def gaidaros(*args, wrap=(), binary=None, **more):
    """Runs the daemon with args, behind the words of wrap."""
    return run([*wrap, binary or BIN, *args], **more)


def gaidarosctl(daemon, *args, **more):
    """Runs gaidarosctl against the daemon's control socket."""
    return run([CTL, "-s", daemon.control, *args], **more)


def open_to_nobody(path):
    """Opens pytest's private folders to the user nobody; False when nobody cannot run the daemon."""
    folder = pathlib.Path(path)
    while str(folder) not in ("/", "/tmp"):
        os.chmod(folder, 0o755)
        folder = folder.parent
    return os.getuid() == 0 and gaidaros("-V", wrap=AS_NOBODY).status == 0
