# SPDX-License-Identifier: MIT
"""TLS clients for tests: Python's ssl and raw records."""

import socket
import ssl
import struct

from harness import connect


def trusting(ca=None, *, alpn=(), versions=(None, None), chain=None):
    """A client's context; without ca whoever answers is trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if versions[0]:
        context.minimum_version = versions[0]
    if versions[1]:
        context.maximum_version = versions[1]
    if chain:
        context.load_cert_chain(*chain)
    return context


def secure(port, context=None, name=None, session=None, *, before=b"", source=None):
    """A client that has shaken hands; before: bytes that go first, as they are; source: the address it comes from."""
    plain = connect(f"127.0.0.1:{port}", source=source)
    plain.settimeout(30)
    if before:
        plain.sendall(before)
    try:
        return (context or trusting()).wrap_socket(plain, server_hostname=name, session=session,
                                                   suppress_ragged_eofs=False)
    except BaseException:
        plain.close()
        raise


def say(client, text=b"hello"):
    """Sends and expects the same back."""
    client.sendall(text)
    got = b""
    while len(got) < len(text):
        part = client.recv(65536)
        assert part, (text[:40], got[:40])
        got += part
    assert got == text


def common_name(client):
    """Whose certificate the server has shown; the client's context must verify for Python to tell."""
    return dict(pair[0] for pair in client.getpeercert()["subject"])["commonName"]


def hello_bytes(name="a.example", version=ssl.TLSVersion.TLSv1_3):
    """What a client says first."""
    context = trusting(versions=(None, version))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    wrapped = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        wrapped.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


ALERT, PROTOCOL_VERSION, DECODE_ERROR = 21, 70, 50


def alert_of(port, first, timeout=30):
    """Sends bytes and returns the number of the alert that comes back; None: the end, without one."""
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(timeout)
        client.sendall(first)
        got = b""
        try:
            while len(got) < 7:
                part = client.recv(4096)
                if not part:
                    break
                got += part
        except ConnectionResetError:
            return None
    if len(got) < 7 or got[0] != ALERT:
        return None
    _, _, length, _, number = struct.unpack("!BHHBB", got[:7])
    assert length == 2
    return number


def is_over(client):
    """True when the server has ended the connection."""
    try:
        return client.recv(65536) == b""
    except (ssl.SSLError, ConnectionResetError, socket.timeout):
        return True
