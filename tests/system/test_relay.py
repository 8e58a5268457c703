# SPDX-License-Identifier: MIT
"""What passes between a client and its host: every byte, every FIN, every reset, every time limit."""

import hashlib
import os
import select
import signal
import socket
import threading
import time

import pytest

import harness
from rig import config, connects_pending, local, outcomes

KIB, MIB = 1024, 1024 * 1024
TICK_S = 0.032  # of the deadline wheel; limits are noticed up to so much late, and what the machine adds
LATE_S = TICK_S + (0.5 if harness.SAN else 0.15)


def send_in_thread(client, data, then_shut=True):
    """Sends from another thread, so that both directions flow at once."""

    def run():
        try:
            client.sendall(data)
            if then_shut:
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def echo_whole(address, data):
    """Sends all with both directions open at once; returns what came back and how it ended."""
    with harness.connect(address, timeout=60) as client:
        thread = send_in_thread(client, data)
        digest = hashlib.sha256()
        count, how = harness.receive_all(client, digest.update)
        thread.join()
    return count, digest.hexdigest(), how


SIZES = [0, 1, 16383, 16384, 16385, 65535, 65536, MIB + 1, 64 * MIB]


@pytest.mark.san_subset
@pytest.mark.parametrize("ip", ["127.0.0.1", "[::1]"])
def test_every_size_passes_unchanged_both_ways_at_once(daemon, host, ip):
    """A1"""
    app = host("app1", "echo", ip=ip.strip("[]"), digest=1)
    address = f"{ip}:{harness.free_port()}"
    d = daemon(config(address, [app]), workers=2)
    total = 0
    for size in SIZES:
        if harness.SAN and size > 8 * MIB:
            size = 8 * MIB
        data = os.urandom(size)
        count, digest, how = echo_whole(address, data)
        sent = hashlib.sha256(data).hexdigest()
        assert (count, digest, how) == (size, sent, "eof"), size
        (ended,) = app.ended(1)
        assert (ended["how"], ended["bytes_in"], ended["sha_in"], ended["sha_out"]) == ("clean", size, sent, sent)
        app.command("zero")
        total += size
    d.settled()
    service, row = d.service(), d.host("app1")
    assert (service["bytes_in"], service["bytes_out"]) == (total, total)
    assert (row["bytes_in"], row["bytes_out"]) == (total, total)
    assert service["connections_total"] == row["connections_total"] == len(SIZES)


@pytest.mark.san_subset
def test_urgent_bytes_stall_no_bulk_stream_and_spin_nobody(daemon, host):
    """splice(2) stops at urgent data and calls it an empty socket, which epoll does not."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app]), workers=1)
    (worker,) = d.worker_pids()
    piece = os.urandom(MIB)
    with harness.connect(address, timeout=20) as client:
        def send():
            client.sendall(piece)
            client.send(b"!", socket.MSG_OOB)  # no part of the stream; a second one would make this one a part
            client.sendall(piece)

        for _ in range(8):
            thread = threading.Thread(target=send, daemon=True)
            thread.start()
            assert harness.receive_exactly(client, 2 * MIB) == piece + piece
            thread.join()
        client.send(b"!", socket.MSG_OOB)  # and one behind which nothing comes
        busy, began = harness.cpu_s(worker), time.monotonic()
        time.sleep(1)
        assert harness.cpu_s(worker) - busy < 0.3 * (time.monotonic() - began)
        client.sendall(b"the end")
        assert harness.receive_exactly(client, 7) == b"the end"


@pytest.mark.san_subset
def test_banner_reaches_a_silent_client(daemon, host):
    """A2"""
    app = host("app1", "banner", delay=200)
    address = local()
    daemon(config(address, [app]), workers=2)
    took = []
    for _ in range(5):
        with harness.connect(address) as client:
            text = client.recv(100)
            took.append((time.monotonic_ns() - int(text.split()[1])) / 1e9)
            assert text.startswith(b"app1 ")
    assert min(took) < 0.05 and max(took) < 1, took  # the fastest shows how it works, the others the machine


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_answer_after_the_clients_fin_arrives_whole(daemon, host, workers):
    """A3: the host answers 8 MiB two seconds after FIN; idle_timeout alone would end it after one."""
    app = host("app1", "answer", bytes=8 * MIB, delay=2000, digest=1)
    address = local()
    daemon(config(address, [app], service="idle_timeout = 1s\nhalf_close_timeout = 4s"), workers=workers)
    clients, shut_ns = [harness.connect(address, timeout=20) for _ in range(3)], []
    for client in clients:
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        shut_ns.append(time.monotonic_ns())
    for client in clients:
        digest = hashlib.sha256()
        assert harness.receive_all(client, digest.update) == (8 * MIB, "eof")
        client.close()
    ended = app.ended(3)
    assert [(e["how"], e["bytes_in"], e["sha_out"]) for e in ended] == [("clean", 7, digest.hexdigest())] * 3
    took = [(seen - shut) / 1e9 for seen, shut in zip(sorted(e["eof_ns"] for e in ended), shut_ns)]
    assert min(took) < 0.5 and max(took) < 1.5, took  # the fastest shows how it works, the others the machine


@pytest.mark.san_subset
def test_upload_goes_on_after_the_hosts_fin(daemon, host):
    """A4"""
    app = host("app1", "source", bytes=0, digest=1)
    address = local()
    daemon(config(address, [app]), workers=2)
    data = os.urandom(8 * MIB)
    with harness.connect(address, timeout=20) as client:
        assert client.recv(1) == b""
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
    (ended,) = app.ended(1)
    assert (ended["how"], ended["bytes_in"]) == ("clean", len(data))
    assert ended["sha_in"] == hashlib.sha256(data).hexdigest()


@pytest.mark.san_subset
@pytest.mark.parametrize("first", ["client", "host"])
@pytest.mark.parametrize("idle_s", [1, 300])
def test_half_closed_silence_ends_at_its_own_limit(daemon, host, first, idle_s):
    """A5: at half_close_timeout, whether idle_timeout is shorter or longer."""
    limit = 2
    if first == "client":
        app = host("app1", "answer", delay=60000)
    else:
        app = host("app1", "source", bytes=0)
    address = local()
    d = daemon(config(address, [app], service=f"idle_timeout = {idle_s}s\nhalf_close_timeout = {limit}s"), workers=2)
    with harness.connect(address, timeout=20) as client:
        began_ns = time.monotonic_ns()
        if first == "client":
            client.shutdown(socket.SHUT_WR)
            harness.receive_all(client)
            ended_ns = time.monotonic_ns()
        else:
            assert client.recv(1) == b""
            # The client has had its FIN and can see no more; the host sees its end.
            ended_ns = app.ended(1)[0]["end_ns"]
    took = (ended_ns - began_ns) / 1e9
    assert limit * 0.9 <= took <= limit * 1.1 + (LATE_S if harness.SAN else 0), took
    d.settled()


@pytest.mark.san_subset
def test_a_clients_reset_in_an_upload_resets_the_host(daemon):
    """A6: at most one buffer comes after it."""
    with socket.create_server(("127.0.0.1", harness.free_port())) as listener:
        listener.settimeout(10)
        address = local()
        d = daemon(config(address, [f"app1 127.0.0.1:{listener.getsockname()[1]}"]), workers=1)
        took = []
        for _ in range(5):
            client = harness.connect(address)
            client.sendall(b"start")
            accepted, _ = listener.accept()
            accepted.settimeout(10)
            for _ in range(64):
                client.sendall(bytes(16 * KIB))
            assert len(harness.receive_exactly(accepted, 5 + MIB)) == 5 + MIB
            client.sendall(bytes(16 * KIB))
            began = time.monotonic()
            harness.close_with_reset(client)
            data, how = harness.receive_all(accepted)
            took.append(time.monotonic() - began)
            accepted.close()
            assert how == "reset" and len(data) <= 16 * KIB
    assert min(took) < 0.1 and max(took) < 2, took
    d.settled()
    assert outcomes(d)["client_reset"] == 5


@pytest.mark.san_subset
def test_a_clients_reset_reaches_a_host_that_was_stalled(daemon):
    """A6: every buffer on the way is full; what comes when the host reads on ends in a reset, never in FIN."""
    with socket.create_server(("127.0.0.1", harness.free_port())) as listener:
        listener.settimeout(10)
        address = local()
        d = daemon(config(address, [f"app1 127.0.0.1:{listener.getsockname()[1]}"]), workers=1)
        client = harness.connect(address)
        client.sendall(b"start")
        accepted, _ = listener.accept()
        accepted.settimeout(10)
        client.setblocking(False)
        sent, quiet_since = 5, time.monotonic()
        while time.monotonic() - quiet_since < 0.3:  # until every buffer on the way is full
            try:
                sent += client.send(bytes(MIB))
                quiet_since = time.monotonic()
            except BlockingIOError:
                select.select([], [client], [], 0.1)
        harness.close_with_reset(client)
        data, how = harness.receive_all(accepted)
        accepted.close()
        assert how == "reset" and len(data) <= sent
        d.settled()
        assert outcomes(d)["client_reset"] == 1


@pytest.mark.san_subset
def test_a_clients_reset_in_a_download_resets_the_host(daemon, host):
    """A6"""
    app = host("app1", "source", bytes=256 * MIB)
    address = local()
    d = daemon(config(address, [app]), workers=2)
    client = harness.connect(address)
    harness.receive_exactly(client, MIB)
    began_ns = time.monotonic_ns()
    harness.close_with_reset(client)
    (ended,) = app.ended(1)
    assert ended["how"] == "reset" and ended["bytes_out"] < 256 * MIB
    assert (ended["end_ns"] - began_ns) / 1e9 < 0.1 + (0.3 if harness.SAN else 0.1)  # with room for the machine
    d.settled()
    assert outcomes(d)["client_reset"] == 1


@pytest.mark.san_subset
@pytest.mark.parametrize("wait_ms", [0, 100])
def test_a_hosts_reset_never_looks_like_an_end(daemon, host, wait_ms):
    """A7: all that was read before it, then a reset: a cut answer stays visible."""
    app = host("app1", "reset-sent", bytes=MIB, delay=wait_ms, digest=1)
    address = local()
    d = daemon(config(address, [app]), workers=2)
    for _ in range(10):
        with harness.connect(address) as client:
            data, how = harness.receive_all(client)
        (ended,) = app.ended(1)
        assert how == "reset" and len(data) <= MIB
        if wait_ms:  # it waited until all had been acknowledged: nothing may be missing
            assert len(data) == MIB and hashlib.sha256(data).hexdigest() == ended["sha_out"]
        app.command("zero")
    d.settled()
    ended = outcomes(d)
    if not wait_ms:  # its reset may come before connect(2) has returned
        ended["host_reset"] += ended.pop("connect_failed", 0)
    assert ended["host_reset"] == 10


@pytest.mark.san_subset
def test_clients_gone_before_accept_cost_no_host_connection(daemon, host):
    """A8: the worker is held while 500 clients at a time connect and reset."""
    app = host("app1", "id")
    address = local()
    d = daemon(config(address, [app], overall="stuck_timeout = 60s\nadopt_timeout = 30s"), workers=1)
    (worker,) = d.worker_pids()
    assert harness.receive_exactly(harness.connect(address), 5) == b"app1\n"
    d.settled()
    before, total = d.fds(worker), 2000 if harness.SAN else 10000
    for done in range(0, total, 500):
        d.signal(signal.SIGSTOP, worker)
        for _ in range(500):
            harness.close_with_reset(harness.connect(address))
        d.signal(signal.SIGCONT, worker)
        harness.wait_until(lambda n=done + 501: d.service()["connections_total"] >= n, what="all to be accepted")
    d.settled()
    assert app.stat()["accepted"] == 1
    assert d.fds(worker) <= before + 2
    busy = harness.cpu_s(worker)
    time.sleep(1)  # the time over which a spinning worker would show
    assert harness.cpu_s(worker) - busy < 0.1
    assert harness.receive_exactly(harness.connect(address), 5) == b"app1\n"


@pytest.mark.san_subset
def test_a_client_that_leaves_frees_its_pending_connect(daemon, black_hole):
    """A9"""
    hole, address = black_hole(), local()
    d = daemon(config(address, [f"app1 {hole.address}"], service="connect_timeout = 30s"), workers=2)
    took = []
    for _ in range(5):
        client = harness.connect(address)
        harness.wait_until(lambda: d.host("app1")["connections"] == 1 and connects_pending(hole.port),
                           what="the connect to be pending")
        began = time.monotonic()
        harness.close_with_reset(client)
        harness.wait_until(lambda: d.host("app1")["connections"] == 0, 5, "the place to be free", 0.002)
        took.append(time.monotonic() - began)
        assert d.service()["connections"] == 0 and connects_pending(hole.port) == 0
    assert min(took) < 0.1 and max(took) < 2, took  # the fastest shows how it works, the others the machine
    assert outcomes(d)["client_reset"] == 5
    assert d.host("app1")["failures_total"] == 0


def ends_of(clients, began, timeout):
    """Seconds after began at which each connection ended."""
    poller, left, ends = select.poll(), {c.fileno(): i for i, c in enumerate(clients)}, [None] * len(clients)
    for client in clients:
        poller.register(client, select.POLLIN)
    while left and time.monotonic() - began < timeout:
        for fd, _ in poller.poll(100):
            ends[left.pop(fd)] = time.monotonic() - began
            poller.unregister(fd)
    return ends


@pytest.mark.san_subset
def test_silent_clients_live_until_the_idle_limit(daemon, host):
    """A10"""
    app = host("app1", "sink")
    address = local()
    d = daemon(config(address, [app], service="idle_timeout = 1s"), workers=2)
    began = time.monotonic()
    clients = [harness.connect(address) for _ in range(200)]
    opened = time.monotonic() - began
    ends = ends_of(clients, began, 10)
    for client in clients:
        client.close()
    assert None not in ends and min(ends) >= 1 and max(ends) <= 1 + opened + LATE_S, (min(ends), max(ends))
    d.settled()
    assert outcomes(d)["idle"] == 200


@pytest.mark.san_subset
@pytest.mark.parametrize("sender", ["client", "host"])
def test_a_byte_either_way_keeps_both_alive(daemon, sender):
    """A11: ten times the limit with one byte each 0.8 of it, then the limit after the last."""
    limit = 0.5
    with socket.create_server(("127.0.0.1", harness.free_port())) as listener:
        address = local()
        d = daemon(config(address, [f"app1 127.0.0.1:{listener.getsockname()[1]}"],
                          service=f"idle_timeout = {int(limit * 1000)}ms"), workers=1)
        client = harness.connect(address)
        accepted, _ = listener.accept()
        source, target = (client, accepted) if sender == "client" else (accepted, client)
        began, sent = time.monotonic(), 0
        target.settimeout(5)
        while time.monotonic() - began < 10 * limit:
            source.sendall(b"x")
            last = time.monotonic()
            assert target.recv(10) == b"x"
            sent += 1
            time.sleep(0.8 * limit)  # the row's stimulus
        harness.receive_all(target)
        took = time.monotonic() - last
        client.close()
        accepted.close()
    assert limit <= took <= limit + LATE_S, took
    d.settled()
    assert outcomes(d)["idle"] == 1


class SlowReader(threading.Thread):
    """Reads 64 KiB a second for so long, then all it can; digests everything."""

    def __init__(self, connection, slow_s):
        super().__init__(daemon=True)
        self.connection, self.slow_s = connection, slow_s
        self.digest, self.count, self.how = hashlib.sha256(), 0, None

    def run(self):
        began = time.monotonic()
        while time.monotonic() - began < self.slow_s:
            part = self.connection.recv(8 * KIB)
            self.take(part)
            time.sleep(max(0, self.count / (64 * KIB) - (time.monotonic() - began)))
        _, self.how = harness.receive_all(self.connection, self.take)

    def take(self, part):
        self.digest.update(part)
        self.count += len(part)


def test_a_slow_reader_holds_its_sender_and_costs_nothing(daemon, host):
    """A12, both directions at once: 256 MiB each way, read at 64 KiB/s for 20 s, then fast."""
    size, slow_s = 256 * MIB, 20
    app = host("app1", "source", bytes=size, digest=1)
    with socket.create_server(("127.0.0.1", harness.free_port())) as listener:
        down, up = local(), local()
        text = config(down, [app]) + f"""
[service upload]
listen = {up}
group = other
[group other]
check = none
host = app2 127.0.0.1:{listener.getsockname()[1]}
"""
        d = daemon(text, workers=1)
        (worker,) = d.worker_pids()
        echo_before = harness.rss_bytes(worker)
        downloader = SlowReader(harness.connect(down, 60, receive_buffer=128 * KIB), slow_s)
        sender = harness.connect(up, 60)
        accepted, _ = listener.accept()
        accepted.settimeout(60)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * KIB)
        uploader = SlowReader(accepted, slow_s)
        block = os.urandom(MIB)
        thread = send_in_thread(sender, block * (size // MIB))
        downloader.start()
        uploader.start()
        time.sleep(4)  # every buffer on the way fills; then it is the reader's pace that counts
        early, busy = app.stat()["bytes_out"], harness.cpu_s(worker)
        time.sleep(12)
        late, busy = app.stat()["bytes_out"], harness.cpu_s(worker) - busy
        grown = harness.rss_bytes(worker) - echo_before
        assert late - early <= 12 * 64 * KIB + 4 * MIB and late < 64 * MIB, (early, late)
        assert busy < 0.02 * 12, busy
        # Two connections; a buffer is what one may keep of each direction, 64 KiB of pool and stack.
        assert grown <= 2 * (2 * 64 * KIB + 64 * KIB), grown
        downloader.join(60)
        sender_digest = hashlib.sha256(block * (size // MIB)).hexdigest()
        uploader.join(60)
        thread.join()
        (ended,) = app.ended(1) if downloader.connection.shutdown(socket.SHUT_WR) is None else (None,)
        downloader.connection.close()
        accepted.close()
        sender.close()
    assert (downloader.count, downloader.how, ended["sha_out"]) == (size, "eof", downloader.digest.hexdigest())
    assert (uploader.count, uploader.how, sender_digest) == (size, "eof", uploader.digest.hexdigest())


@pytest.mark.san_subset
def test_a_reader_that_stops_for_ever_is_reaped(daemon, host):
    """A13: though data are pending; both ends are closed."""
    app = host("app1", "source", bytes=256 * MIB)
    address = local()
    d = daemon(config(address, [app], service="idle_timeout = 1s"), workers=1)
    with harness.connect(address) as client:
        began_ns = time.monotonic_ns()
        client.recv(1000)
        (ended,) = app.ended(1)
        took = (ended["end_ns"] - began_ns) / 1e9
        assert ended["how"] == "reset" and 1 <= took <= 1 + 0.5 + LATE_S, took  # up to 0.5 s until all is full
        d.settled()
        data, how = harness.receive_all(client)
        assert how == "reset" or len(data) < 256 * MIB
    assert outcomes(d)["idle"] == 1


@pytest.mark.san_subset
def test_lifetime_ends_a_busy_session(daemon, host, load):
    """A14"""
    app = host("app1", "echo")
    address = local()
    d = daemon(config(address, [app], service="lifetime = 2s"), workers=2)
    with harness.connect(address) as client:
        began, ended = time.monotonic(), None
        while ended is None and time.monotonic() - began < 5:
            try:
                client.sendall(b"x" * 100)
                if not client.recv(1000):
                    ended = time.monotonic() - began
                time.sleep(0.02)  # data that flow all the time
            except OSError:
                ended = time.monotonic() - began
    assert ended is not None and 1.5 <= ended <= 2.5, ended
    d.settled()
    assert outcomes(d)["lifetime"] == 1


def round_trips_ms(address, count):
    """Sorted times of so many one-byte round trips on one connection."""
    with harness.connect(address) as client:
        took = []
        for _ in range(count):
            began = time.perf_counter()
            client.sendall(b"x")
            client.recv(10)
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took)


@pytest.mark.alone
def test_one_byte_writes_never_stall(daemon, host):
    """A15: 100,000 of them; a Nagle or delayed-ACK stall would cost 40 ms.

    Ten blocks with direct ones between, of which the best counts: what else the machine does comes
    and goes, a stall of the relay's own would be in all of them. The row's 1 ms holds for the
    middle one of the round trips; of the slowest hundredth a busy machine may make half a stall.
    """
    app = host("app1", "echo")
    address = local()
    daemon(config(address, [app]), workers=1)
    direct, through = [], []
    for _ in range(10):
        took = round_trips_ms(app.address, 2000)
        direct.append((took[1000], took[1980]))
        took = round_trips_ms(address, 10000)
        through.append((took[5000], took[9900]))
    assert min(t[0] for t in through) < min(d[0] for d in direct) + 1, (through, direct)
    assert min(t[1] for t in through) < min(d[1] for d in direct) + 20, (through, direct)
