# SPDX-License-Identifier: MIT
"""The PROXY protocol, taken and sent: who a client is, what is no header, real peers on both sides (I1 to I7)."""

import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

import harness
from certificates import join, make_certificate
from command import gaidaros
from harness import SAN, connect, free_port, receive_all, wait_until
from scene import config
from threadhost import ThreadHost
from tlspeer import say, secure, trusting

pytestmark = pytest.mark.san_subset

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HELLO = b"hello, \0 bytes \xff\r\n"


def v1(source="192.0.2.1", target="198.51.100.2", ports=(1234, 80)):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {target} {ports[0]} {ports[1]}\r\n".encode()


def v2(source="192.0.2.1", target="198.51.100.2", ports=(1234, 80), tlvs=b"", command=1, family=None):
    kind = socket.AF_INET6 if ":" in source else socket.AF_INET
    rest = b"".join(socket.inet_pton(kind, text) for text in (source, target)) + struct.pack("!HH", *ports) + tlvs
    number = family if family is not None else 0x21 if kind == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([0x20 | command, number]) + struct.pack("!H", len(rest)) + rest


def tlv(kind, value):
    return bytes([kind]) + struct.pack("!H", len(value)) + value


def crc32c(data):
    """As the protocol has it, written here for itself."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Recorder(ThreadHost):
    """A host that keeps what each connection sent, and says hello back once it has ended."""

    def __init__(self):
        self.got = []
        super().__init__()

    def talk(self, client):
        with client:
            place = len(self.got)
            self.got.append(b"")
            try:
                while True:
                    part = client.recv(65536)
                    if not part:
                        break
                    self.got[place] += part
                client.sendall(b"done")
            except OSError:
                pass


@pytest.fixture
def recorder():
    made = Recorder()
    yield made
    made.close()


def taking(listen, hosts, *, service="", group="", glob=""):
    """A service whose clients come through proxies of this machine."""
    text = config(listen, hosts, glob=f"access_log = access.log\n{glob}", service=service, group=group)
    return text.replace(f"listen = 127.0.0.1:{listen}", f"listen = 127.0.0.1:{listen} accept_proxy=127.0.0.0/8,::1")


def exchange(listen, *parts, pause=0.0):
    """Sends the parts, ends, and gives all that comes back."""
    try:
        client = connect(f"127.0.0.1:{listen}")
    except ConnectionResetError:  # a refusal may be here before connect(2) has returned
        return b"", "reset"
    with client:
        try:
            for part in parts:
                client.sendall(part)
                if pause:
                    time.sleep(pause)  # what the scenario asks for: a header in pieces
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return receive_all(client)


def logged(running):
    path = os.path.join(running.folder, "access.log")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("header, client", [
    (v1(), "192.0.2.1:1234"), (v1("2001:db8::1", "2001:db8::2"), "[2001:db8::1]:1234"),
    (v2(), "192.0.2.1:1234"), (v2("2001:db8::1", "2001:db8::2"), "[2001:db8::1]:1234"),
    (v1("::ffff:192.0.2.7", "::ffff:192.0.2.8"), "192.0.2.7:1234"),
    (v2(tlvs=tlv(0x02, b"a.example") + tlv(0x05, b"x" * 128) + tlv(0x04, b"")), "192.0.2.1:1234"),
])
def test_i1_the_header_s_client_is_the_client(daemon, recorder, header, client):
    """In log, list, limits; the host gets what came behind, to the byte."""
    listen = free_port()
    running = daemon(taking(listen, [recorder]), workers=2)
    assert exchange(listen, header + HELLO) == (b"done", "eof")
    assert recorder.got == [HELLO]
    wait_until(lambda: logged(running), what="the line")
    (line,) = logged(running)
    assert line.split(" ")[1] == client and f"bytes_in={len(HELLO)} " in line and "status=ok" in line
    assert running.service()["bytes_in"] == len(HELLO)


@pytest.mark.parametrize("header", [v1(), v2(), v2("2001:db8::1", "2001:db8::2", tlvs=tlv(0x02, b"a.example"))])
def test_i2_a_header_split_anywhere(daemon, recorder, header):
    listen = free_port()
    daemon(taking(listen, [recorder]), workers=1)
    for at in range(1, len(header)):
        assert exchange(listen, header[:at], header[at:] + HELLO, pause=0.005)[0] == b"done", at
    assert exchange(listen, *[header[i:i + 1] for i in range(len(header))], HELLO, pause=0.005)[0] == b"done"
    assert recorder.got == [HELLO] * len(header)


BAD = {
    "pp1": b"PROXY\r\n", "pp2": b"PROXY TCP4\r\n", "pp3": v1()[:-2] + b"\n", "pp5_cr": v1()[:-2] + b"\rX\r\n",
    "pp5_nul": b"PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", "pp5_esc": b"PROXY UNKNOWN \x1b[2J\r\n",
    "pp6": b"PROXY UNKNOWN " + b"x" * 94, "pp8": v1("256.0.0.1"), "pp8_three": v1("192.0.2"), "pp8_five": v1("192.0.2.1.1"),
    "pp8_hex": v1("0x7f.1"), "pp9": v1(ports=(65536, 1)), "pp9_minus": v1(ports=(-1, 1)), "pp9_plus": v1(ports=("+1", 1)),
    "pp9_empty": v1(ports=("", 1)), "pp10": v1().replace(b" 80", b"  80"), "pp10_tab": v1().replace(b" 80", b"\t80"),
    "pp10_trailing": v1().replace(b"\r\n", b" \r\n"), "pp11": b"proxy tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
    "pp12": b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "pp12_other": b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
    "pp15": b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "pp15_udp": b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "pp15_unix": b"PROXY UNIX /a /b\r\n", "pp18": SIGNATURE[:7], "pp18_long": SIGNATURE, "pp19": SIGNATURE[:11] + b"X",
    "pp19_mixed": b"PR\r\n", "pp19_mixed2": b"\r\nOX", "pp20": SIGNATURE + b"\x11\x11\0\x0c" + b"x" * 12,
    "pp20_f": SIGNATURE + b"\xf1\x11\0\x0c" + b"x" * 12, "pp22": v2(family=0x41), "pp22_transport": v2(family=0x13),
    "pp23": v2(family=0x12), "pp25": SIGNATURE + b"\x21\x11\0\x00", "pp25_one": SIGNATURE + b"\x21\x11\0\x01x",
    "pp25_eleven": SIGNATURE + b"\x21\x11\0\x0b" + b"x" * 11, "pp27": SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 16,
    "pp28": v2(tlvs=tlv(4, b"") * 20000), "pp29": v2(tlvs=b"\x02\0\x10abc"), "pp31": v2(tlvs=tlv(3, b"abcd")),
    "pp31_empty": v2(tlvs=tlv(3, b"")), "pp31_three": v2(tlvs=tlv(3, b"abc")), "pp31_five": v2(tlvs=tlv(3, b"abcde")),
    "pp31_last": v2(tlvs=b"\x03\0\x04ab"), "pp33_nul": v2(tlvs=tlv(2, b"a\0b")), "pp33_utf8": v2(tlvs=tlv(2, b"\xc3\x28")),
    "pp33_none": v2(tlvs=tlv(2, b"")), "pp33_256": v2(tlvs=tlv(2, b"a" * 256)), "pp33_id": v2(tlvs=tlv(5, b"a" * 129)),
    "pp33_netns": v2(tlvs=tlv(0x30, b"../../x")), "i4_http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "i4_tls": b"\x16\x03\x01\x02\0\x01",
    "i4_ssh": b"SSH-2.0-x\r\n", "nothing": b"",
}


def test_i3_i4_what_is_no_header_reaches_no_host(daemon, recorder):
    """Each is closed, logged in one bounded line, counted; then a good client is served."""
    listen = free_port()
    running = daemon(taking(listen, [recorder]), workers=1)
    running.allow_errors("$^")
    for n, (name, data) in enumerate(BAD.items()):
        got, _ = exchange(listen, data)
        assert got == b"", name
        wait_until(lambda: running.service()["errors"].get("handshake_failed") == n + 1, what=name)  # noqa: B023
        assert recorder.got == [], name
    assert exchange(listen, v1() + HELLO)[0] == b"done" and recorder.got == [HELLO]
    lines = running.log_lines("is refused: PROXY header")
    assert lines and all(len(line) < 400 and "\x1b" not in line for line in lines), lines
    assert all("127.0.0.1:" in line for line in lines)


GOOD = {
    "pp14": b"PROXY UNKNOWN\r\n", "pp14_junk": b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", "pp24": v2(command=0)[:14] + b"\0\0",
    "pp24_family": SIGNATURE + b"\x20\x1f\0\0", "pp24_tlv": SIGNATURE + b"\x20\0\0\x04\x04\0\x01x",
    "pp31": b"", "unspec": SIGNATURE + b"\x21\0\0\0",
}


def test_what_names_nobody_is_the_proxy_itself(daemon, recorder):
    listen = free_port()
    running = daemon(taking(listen, [recorder]), workers=1)
    for name, data in GOOD.items():
        if name == "pp31":
            data = v2(tlvs=tlv(3, b"\0\0\0\0"))
            data = data[:-4] + struct.pack("!I", crc32c(data))
        assert exchange(listen, data + HELLO)[0] == b"done", name
    assert recorder.got == [HELLO] * len(GOOD)
    wait_until(lambda: len(logged(running)) == len(GOOD), what="the lines")
    assert sum(line.split(" ")[1].startswith("127.0.0.1:") for line in logged(running)) == len(GOOD) - 1


def test_a_second_header_is_the_client_s(daemon, recorder):
    """PP16, PP34, PP37."""
    listen = free_port()
    daemon(taking(listen, [recorder]), workers=1)
    for data in (v1() + v1(), v2() + tlv(2, b"a"), v2()):
        assert exchange(listen, data)[0] == b"done"
    assert recorder.got == [v1(), tlv(2, b"a"), b""]


def test_i5_silence_ends_at_an_absolute_time(daemon, recorder):
    listen, count = free_port(), 100 if SAN else 500
    running = daemon(taking(listen, [recorder], service="handshake_timeout = 2s"), workers=2)
    silent = [connect(f"127.0.0.1:{listen}") for _ in range(count)]
    slow = connect(f"127.0.0.1:{listen}")
    rows = wait_until(lambda: running.http("GET", "/connections").json()["connections"], what="them to be listed")
    assert {row["phase"] for row in rows} == {"proxy"}
    why = running.http("GET", f"/connections/{rows[0]['id']}").json()
    assert why["timers"][0]["name"] == "handshake_timeout" and why["timers"][0]["limit_s"] == 2
    began, sent = time.monotonic(), 0
    slow.settimeout(0.05)
    while time.monotonic() < began + 15:  # a byte now and then does not lengthen it
        try:
            slow.sendall(v1()[sent:sent + 1] if sent < 20 else b"0")
            sent += 1
            if slow.recv(1) == b"":
                break
        except socket.timeout:
            continue
        except OSError:
            break
    assert time.monotonic() - began < 10
    wait_until(lambda: running.service()["errors"].get("handshake_failed") == count + 1, what="all to be ended")
    assert recorder.got == []
    for client in [*silent, slow]:
        client.close()


def test_i6_others_are_not_believed(daemon, recorder):
    listen = free_port()
    text = taking(listen, [recorder]).replace("127.0.0.0/8,::1", "192.0.2.0/24")
    running = daemon(text, workers=1)
    got, how = exchange(listen, v1() + HELLO)
    assert got == b"" and how == "reset" and recorder.got == []
    assert running.service()["errors"] == {"denied": 1}


def test_access_and_limits_count_the_header_s_client(daemon, recorder):
    listen = free_port()
    running = daemon(taking(listen, [recorder], service="deny = 192.0.2.0/24\nmax_connections_per_source = 2"), workers=2)
    assert exchange(listen, v1() + HELLO)[0] == b"" and running.service()["errors"] == {"denied": 1}
    clients = []
    for n in range(3):
        clients.append(connect(f"127.0.0.1:{listen}"))
        clients[-1].sendall(v1("203.0.113.5", ports=(1000 + n, 80)) + HELLO)
    wait_until(lambda: running.service()["errors"] == {"denied": 1, "limited": 1}, what="the third to be refused")
    assert exchange(listen, v1("203.0.113.6") + HELLO)[0] == b"done"
    for client in clients:
        client.close()


def sending(listen, host, version, *, accepts=False, service=""):
    text = taking(listen, [host], group=f"send_proxy = {version}", service=service) if accepts else \
        config(listen, [host], group=f"send_proxy = {version}", service=service)
    return text


def parsed(data):
    """Source, target, TLVs and the rest of a header of version 2, whose checksum must be right."""
    assert data.startswith(SIGNATURE) and data[12] == 0x21, data
    length = struct.unpack("!H", data[14:16])[0]
    header, rest = data[:16 + length], data[16 + length:]
    kinds = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16), 0x00: (None, 0)}
    kind, size = kinds[header[13]]
    at = 16
    ends = ()
    if kind:
        source, target = (socket.inet_ntop(kind, header[at + i * size:at + (i + 1) * size]) for i in (0, 1))
        ports = struct.unpack("!HH", header[at + 2 * size:at + 2 * size + 4])
        ends, at = (source, target, *ports), at + 2 * size + 4
    values = {}
    while at < len(header):
        number, size = header[at], struct.unpack("!H", header[at + 1:at + 3])[0]
        values[number] = header[at + 3:at + 3 + size]
        if number == 3:
            zeroed = header[:at + 3] + bytes(4) + header[at + 7:]
            assert crc32c(zeroed) == struct.unpack("!I", values[3])[0]
        at += 3 + size
    assert 3 in values
    return ends, values, rest


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
def test_i7_each_version_to_the_byte(daemon, recorder, family):
    listen = free_port()
    text = sending(listen, recorder, "v1")
    running = daemon(text.replace(f"listen = 127.0.0.1:{listen}", f"listen = *:{listen}"), workers=1)
    address = f"[{family}]:{listen}" if ":" in family else f"{family}:{listen}"
    for version in ("v1", "v2"):
        if version == "v2":
            running.reload(sending(listen, recorder, "v2").replace(f"listen = 127.0.0.1:{listen}", f"listen = *:{listen}"))
        with connect(address) as client:
            port = client.getsockname()[1]
            client.sendall(HELLO)
            client.shutdown(socket.SHUT_WR)
            assert receive_all(client)[0] == b"done"
        name = "TCP6" if ":" in family else "TCP4"  # an IPv4 client of a listener for both families is TCP4
        if version == "v1":
            assert recorder.got[-1] == f"PROXY {name} {family} {family} {port} {listen}\r\n".encode() + HELLO
        else:
            ends, values, rest = parsed(recorder.got[-1])
            assert ends == (family, family, port, listen) and rest == HELLO and values[5].isdigit()


def test_what_was_received_is_passed_on(daemon, recorder):
    """Addresses and TLVs, its own checksum; UNKNOWN stays so."""
    listen = free_port()
    running = daemon(sending(listen, recorder, "v2", accepts=True), workers=1)
    received = tlv(2, b"a.example") + tlv(0x20, b"\x01\0\0\0\0" + tlv(0x21, b"TLSv1.3")) + tlv(5, b"their id") + tlv(0xEA, b"aws")
    assert exchange(listen, v2(tlvs=received + tlv(4, b"pad")) + HELLO)[0] == b"done"
    ends, values, rest = parsed(recorder.got[-1])
    assert ends == ("192.0.2.1", "198.51.100.2", 1234, 80) and rest == HELLO
    assert {number: value for number, value in values.items() if number != 3} == {
        2: b"a.example", 0x20: b"\x01\0\0\0\0" + tlv(0x21, b"TLSv1.3"), 5: b"their id", 0xEA: b"aws"}
    exchange(listen, b"PROXY UNKNOWN\r\n" + HELLO)
    assert parsed(recorder.got[-1])[0] == ()
    running.reload(sending(listen, recorder, "v1", accepts=True))
    exchange(listen, v2("2001:db8::1", "2001:db8::2", tlvs=received) + HELLO)
    assert recorder.got[-1] == v1("2001:db8::1", "2001:db8::2") + HELLO
    exchange(listen, b"PROXY UNKNOWN\r\n" + HELLO)
    assert recorder.got[-1] == b"PROXY UNKNOWN\r\n" + HELLO


def test_a_silent_client_s_host_has_the_header(daemon, recorder):
    """A protocol whose server speaks first: the header does not wait for the client's bytes."""
    listen = free_port()
    daemon(sending(listen, recorder, "v1"), workers=1)
    with connect(f"127.0.0.1:{listen}"):
        wait_until(lambda: recorder.got and recorder.got[0].startswith(b"PROXY TCP4 "), what="the header")


def test_each_host_that_is_tried_gets_its_own_header(daemon, recorder):
    """The first refuses; the second, and warm connections, have one header each."""
    listen = free_port()
    text = sending(listen, recorder, "v1").replace("host = one", "host = dead 127.0.0.1:9\nhost = one")
    running = daemon(text.replace("send_proxy = v1", "send_proxy = v1\nscheduler = first\npool = 2"), workers=1)
    running.pooled = 2
    for _ in range(4):
        assert exchange(listen, HELLO)[0] == b"done"
    served = [got for got in recorder.got if got]
    assert len(served) == 4 and all(re.fullmatch(rb"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ %d\r\n" % listen + re.escape(HELLO), got)
                                    for got in served), served


@pytest.mark.parametrize("version, wanted", [("v1", b"PROXY UNKNOWN\r\n"), ("v2", SIGNATURE + b"\x20\0")])
@pytest.mark.parametrize("check", ["tcp", "http GET /"])
def test_checks_begin_with_a_header_that_names_nobody(daemon, recorder, version, wanted, check):
    daemon(config(free_port(), [recorder], group=f"send_proxy = {version}\ncheck = {check}\ncheck_interval = 100ms"), workers=1)
    wait_until(lambda: any(got.startswith(wanted) for got in recorder.got), what="a check")
    if check != "tcp":
        wait_until(lambda: any(b"GET / HTTP/1" in got for got in recorder.got), what="its request")


# ---- real peers

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
HITCH = shutil.which("hitch", path="/usr/sbin:/usr/bin")


@pytest.fixture
def peer(folder):
    """Starts a program on a configuration and waits for its port."""
    made = []

    def start(words, text, port):
        path = folder / f"peer{len(made)}.conf"
        path.write_text(text)
        with open(folder / f"peer{len(made)}.log", "wb") as log:
            made.append(subprocess.Popen([*words, str(path)], stdout=log, stderr=log, start_new_session=True))

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(listens, what=f"{words[0]} on its port")

    yield start
    for process in made:
        process.terminate()
        process.wait(20)


def haproxy(front, back, bind="", server=""):
    return (f"global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
            f"frontend f\n  bind 127.0.0.1:{front} {bind}\n  default_backend b\nbackend b\n  server s {back} {server}\n")


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_in_front(daemon, recorder, peer, option):
    listen, front = free_port(), free_port()
    running = daemon(taking(listen, [recorder]), workers=1)
    text = haproxy(front, f"127.0.0.1:{listen}", server=option)
    peer([HAPROXY, "-db", "-f"], text.replace("frontend f\n", "frontend f\n  unique-id-format x%pid\n"), front)
    with connect(f"127.0.0.1:{front}", source="127.0.0.77") as client:
        client.sendall(HELLO)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client)[0] == b"done"
    wait_until(lambda: any(line.split(" ")[1].startswith("127.0.0.77:") for line in logged(running)), what="the client's line")
    assert HELLO in recorder.got


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_haproxy_behind(daemon, recorder, peer, version):
    """It verifies the checksum, and passes on what it understood."""
    listen, behind = free_port(), free_port()
    peer([HAPROXY, "-db", "-f"], haproxy(behind, recorder.address, "accept-proxy", "send-proxy"), behind)
    behind_host = Behind(f"127.0.0.1:{behind}")
    daemon(sending(listen, behind_host, version).replace("check = none", "check = tcp\ncheck_interval = 100ms"), workers=1)
    with connect(f"127.0.0.1:{listen}", source="127.0.0.78") as client:
        port = client.getsockname()[1]
        client.sendall(HELLO)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client)[0] == b"done"
    assert f"PROXY TCP4 127.0.0.78 127.0.0.1 {port} {listen}\r\n".encode() + HELLO in recorder.got


class Behind:
    """A host known by its address alone."""

    name = "one"

    def __init__(self, address):
        self.address = address


def nginx(folder, stream):
    return (f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err; worker_processes 1;\n"
            f"include /etc/nginx/modules-enabled/*-stream.conf;\nevents {{}}\n{stream}\n")


def test_nginx_in_front_and_behind(daemon, recorder, peer, folder):
    listen, front, behind = free_port(), free_port(), free_port()
    peer([NGINX, "-c"], nginx(folder, "stream {\n  proxy_half_close on;\n"
                              f"server {{ listen 127.0.0.1:{front}; proxy_pass 127.0.0.1:{listen}; proxy_protocol on; }}\n"
                              f"server {{ listen 127.0.0.1:{behind} proxy_protocol; proxy_pass {recorder.address}; "
                              "set_real_ip_from 127.0.0.0/8; proxy_protocol on; }\n}"), front)
    for version in ("v1", "v2"):
        running = daemon(sending(listen, Behind(f"127.0.0.1:{behind}"), version, accepts=True), workers=1)
        with connect(f"127.0.0.1:{front}", source="127.0.0.79") as client:
            client.sendall(HELLO)
            client.shutdown(socket.SHUT_WR)
            assert receive_all(client)[0] == b"done"
        assert recorder.got[-1].startswith(b"PROXY TCP4 127.0.0.79 ") and recorder.got[-1].endswith(b"\r\n" + HELLO)
        running.stop()


@pytest.fixture
def whole(folder):
    """A certificate of ca.pem's with its key."""
    make_certificate(folder, "ca")
    make_certificate(folder, "hitch", "ca", alt="DNS:hitch.example")
    return join(folder / "whole.pem", folder / "hitch.key", folder / "hitch.pem")


def hitch(whole, front, back, *options):
    account = 'user = "_hitch"' if os.getuid() == 0 else ""  # it refuses to work as root
    return "\n".join([f'frontend = "[127.0.0.1]:{front}"', f'backend = "[127.0.0.1]:{back}"', f'pem-file = "{whole}"', account,
                      "workers = 1", "daemon = off", "log-level = 1", *options, ""])


def test_hitch_in_front(daemon, host, recorder, peer, whole, folder):
    """Its header of version 2 names the client, and what it tells of TLS goes on to the host."""
    listen, echoing, front, other = (free_port() for _ in range(4))
    one = host("one")
    text = taking(listen, [recorder], group="send_proxy = v2") + (
        f"[service echo]\nlisten = 127.0.0.1:{echoing} accept_proxy=127.0.0.0/8\ngroup = echo\n"
        f"[group echo]\ncheck = none\nhost = one {one.address}\n")
    running = daemon(text, workers=1)
    peer([HITCH, "--config"], hitch(whole, front, listen, "write-proxy-v2 = on"), front)
    peer([HITCH, "--config"], hitch(whole, other, echoing, "write-proxy-v2 = on"), other)
    with secure(front, trusting(folder / "ca.pem"), "hitch.example", source="127.0.0.80") as client:
        port = client.getsockname()[1]
        client.sendall(HELLO)
        wait_until(lambda: any(got.endswith(HELLO) for got in recorder.got), what="the host to have it")
    ends, values, rest = parsed(recorder.got[-1])
    assert ends == ("127.0.0.80", "127.0.0.1", port, front) and rest == HELLO
    assert b"TLSv1.3" in values[0x20] and values[0x20][0] == 1, values
    with secure(other, name="hitch.example", source="127.0.0.81") as client:
        say(client, os.urandom(1 << 20))
    for address in (f"127.0.0.80:{port} ", "127.0.0.81:"):
        wait_until(lambda: any(f" {address}" in line for line in logged(running)), what=f"the line of {address}")  # noqa: B023


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_hitch_behind(daemon, recorder, peer, whole, folder, version):
    """The header comes in plain before TLS with the host, which reads it and passes it on."""
    listen, behind = free_port(), free_port()
    peer([HITCH, "--config"], hitch(whole, behind, recorder.address.rpartition(":")[2], "proxy-proxy = on"), behind)
    running = daemon(sending(listen, Behind(f"127.0.0.1:{behind}"), version).replace(
        f"send_proxy = {version}", f"send_proxy = {version}\ntls = verify\ntls_ca = {folder}/ca.pem\ntls_name = hitch.example"),
        workers=1)
    with connect(f"127.0.0.1:{listen}", source="127.0.0.82") as client:
        port = client.getsockname()[1]
        client.sendall(HELLO)
        wait_until(lambda: any(got.endswith(HELLO) for got in recorder.got), what="the host to have it")
    got = next(got for got in recorder.got if got.endswith(HELLO))
    if version == "v1":
        assert got == f"PROXY TCP4 127.0.0.82 127.0.0.1 {port} {listen}\r\n".encode() + HELLO
    else:
        ends, values, rest = parsed(got)
        assert ends == ("127.0.0.82", "127.0.0.1", port, listen) and rest == HELLO and values[5].isdigit(), got
    assert running.host("one")["failures_total"] == 0


@pytest.mark.parametrize("line, said", [
    ("accept_proxy=", "networks with commas"), ("accept_proxy=10.0.0.0/8,", "networks with commas"),
    ("accept_proxy=10.0.0.1/8", "accept_proxy=10.0.0.1/8"), ("accept_proxy", "needs =VALUE"),
    ("accept_proxy=::1 accept_proxy=::1", "given twice")])
def test_networks_that_are_none_are_named(tmp_path, line, said):
    path = tmp_path / "g.conf"
    path.write_text(f"[service web]\nlisten = 127.0.0.1:1 {line}\ngroup = main\n[group main]\nhost = a 127.0.0.1:9\n")
    done = gaidaros("-c", path, "-t")
    assert done.status == 3 and "g.conf:2: [service web] listen:" in done.err and said in done.err, done


def test_the_option_reads_back(tmp_path):
    path = tmp_path / "g.conf"
    path.write_text("[service web]\nlisten = 127.0.0.1:1 accept_proxy=10.0.0.0/8,2001:db8::/32,::1\ngroup = main\n"
                    "[group main]\nsend_proxy = v2\nhost = a 127.0.0.1:9\n")
    once = gaidaros("-c", path, "--dump")
    assert "accept_proxy=10.0.0.0/8,2001:db8::/32,::1" in once.out and "send_proxy = v2" in once.out, once
    path.write_text(once.out)
    assert gaidaros("-c", path, "--dump").out == once.out


def test_a_flood_of_bad_headers_leaves_others_alone(daemon, host, load):
    listen, other = free_port(), free_port()
    one = host("one")
    text = taking(listen, [one]) + f"[service plain]\nlisten = 127.0.0.1:{other}\ngroup = main\n"
    running = daemon(text, workers=1)
    work = load(f"127.0.0.1:{other}", short=100)
    for _ in range(300):
        with connect(f"127.0.0.1:{listen}") as client:
            client.sendall(b"\x16\x03\x01" + os.urandom(64))
    harness.assert_no_loss(work.stop_after(50), 50)
    wait_until(lambda: running.service()["errors"].get("handshake_failed") == 300, what="all to be counted")
