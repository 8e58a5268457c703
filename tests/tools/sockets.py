# SPDX-License-Identifier: MIT
"""Raw TCP sockets for tests, and the kernel's table of them."""

import socket
import struct

ESTABLISHED, SYN_SENT, TIME_WAIT, LISTENING = 1, 2, 6, 10

SOCK_DIAG_BY_FAMILY, NETLINK_SOCK_DIAG, NLM_F_REQUEST_DUMP = 20, 4, 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3


def tcp_table():
    """Rows (state, local port, remote port, bytes not yet read, inode) of TCP sockets, both families.

    By the kernel's sock_diag rather than /proc/net/tcp: that lists tens of thousands of sockets in
    TIME_WAIT after a load, and takes seconds for it.
    """
    rows = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for family in (socket.AF_INET, socket.AF_INET6):
            states = 0xFFF & ~(1 << TIME_WAIT)
            ask = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, states)
            link.send(struct.pack("=IHHII", 16 + len(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, family, 0) + ask)
            while not take_rows(link.recv(1 << 18), rows):
                pass
    return rows


def take_rows(data, rows):
    """Adds the rows of one netlink packet; true when it was the last."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if kind in (NLMSG_DONE, NLMSG_ERROR):
            return True
        state = data[at + 17]
        ports = struct.unpack_from(">HH", data, at + 20)
        unread, _, _, inode = struct.unpack_from("=IIII", data, at + 16 + 56)
        rows.append((state, *ports, unread, inode))
        at += (length + 3) & ~3
    return False


def tcp_states():
    """State (as the kernel's number) of each TCP socket, by inode as text."""
    return {str(inode): state for state, _, _, _, inode in tcp_table()}



def cookies_failed():
    """Segments that came to a listening socket with an acknowledgement that was no SYN cookie: each is answered by a reset."""
    with open("/proc/net/netstat", encoding="utf-8") as file:
        names, values = [line.split() for line in file if line.startswith("TcpExt:")]
    return int(values[names.index("SyncookiesFailed")])


def connect(address, timeout=10, source=None, receive_buffer=None):
    """A connected TCP socket; address is "ip:port" or "[ip]:port"."""
    ip, _, port = address.rpartition(":")
    ip = ip.strip("[]")
    client = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    client.settimeout(timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        client.bind((source, 0))
    client.connect((ip, int(port)))
    return client


def receive_exactly(client, count):
    """Reads count bytes; less only when the other side ends."""
    parts, left = [], count
    while left:
        part = client.recv(min(left, 1 << 20))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def receive_all(client, sink=None):
    """Reads to the end; returns (bytes or their number when a sink takes them, "eof" or "reset")."""
    parts, count = [], 0
    while True:
        try:
            part = client.recv(1 << 20)
        except (ConnectionResetError, BrokenPipeError):
            how = "reset"
            break
        if not part:
            how = "eof"
            break
        count += len(part)
        if sink:
            sink(part)
        else:
            parts.append(part)
    return (count if sink else b"".join(parts)), how


def close_with_reset(client):
    """Closes with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
