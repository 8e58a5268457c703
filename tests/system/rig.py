# SPDX-License-Identifier: MIT
"""Configurations and looks at the machine that the tests of relaying, connecting and balancing share."""

import json
import re
import socket

import harness
from sockets import SYN_SENT, tcp_table


class Closed:
    """An address that refuses every connection, kept from anybody else: bound and never listened on."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.address = f"127.0.0.1:{harness.free_port()}"
        self.socket.bind(("127.0.0.1", int(self.address.rpartition(":")[2])))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def host_line(host):
    """A host as the file names it: a line of its own, a Host, a Closed, or one of them with options."""
    if isinstance(host, str):
        return f"host = {host}"
    if isinstance(host, tuple):
        return f"{host_line(host[0])} {host[1]}"
    return f"host = {host.name} {host.address}"


def unless_checked(group):
    """The keys of a group, without checks unless it asks for some: their connections would be counted by the hosts."""
    return group if re.search(r"(?m)^\s*check\s*=", group) else f"check = none\n{group}"


def config(listen, hosts, *, service="", group="", overall=""):
    """One service `web` on its addresses over one group `main`; further keys as lines of `key = value`."""
    listens = [listen] if isinstance(listen, str) else listen
    lines = ["[global]", *overall.strip().splitlines(), "", "[service web]"]
    lines += [f"listen = {address}" for address in listens]
    lines += ["group = main", *service.strip().splitlines(), "", "[group main]"]
    lines += [*unless_checked(group).strip().splitlines(), *map(host_line, hosts), ""]
    return "\n".join(line.strip() for line in lines)


def local():
    """A free address of this machine to listen on."""
    return f"127.0.0.1:{harness.free_port()}"


def ask_name(address, source=None):
    """One short connection to a host in mode id; returns the name it gave, None when there was none."""
    try:
        with harness.connect(address, source=source) as client:
            client.shutdown(socket.SHUT_WR)
            text, how = harness.receive_all(client)
    except OSError:
        return None
    return text.decode().strip() if how == "eof" and text.endswith(b"\n") else None


def ended_without_a_byte(address):
    """How a client that says nothing is ended, as receive_all tells it; a reset may come before connect(2) returns."""
    try:
        with harness.connect(address) as client:
            return harness.receive_all(client)
    except ConnectionResetError:
        return b"", "reset"


def outcomes(daemon, service="web"):
    """Ended connections of a service by outcome, as far as they were no successes and happened at all."""
    return {word: count for word, count in daemon.service(service)["errors"].items() if count}


def wait_outcomes(daemon, expected):
    """A client may see its end a moment before it is counted."""
    harness.wait_until(lambda: outcomes(daemon) == expected, what=f"{expected} to be counted: {outcomes(daemon)}")


def connects_pending(remote_port):
    """How many sockets of this machine wait for an answer to their SYN to the port."""
    return sum(to == remote_port and state == SYN_SENT for state, _, to, _, _ in tcp_table())


def post(daemon, call, **fields):
    """Makes a call over the control socket; a field that is None is left out."""
    named = {name: value for name, value in fields.items() if value is not None}
    return daemon.http("POST", f"/api/{call}", body=json.dumps(named), headers={"Content-Type": "application/json"})


def ask_for(daemon, call, status=200, **fields):
    """As post, for the group main of the service web; returns the message, or why it was refused."""
    answer = post(daemon, call, **{"service": "web", "group": "main", **fields})
    assert answer.status == status, (call, fields, answer.text)
    assert answer.json()["ok"] is (status == 200)
    return answer.json()["message" if status == 200 else "error"]
