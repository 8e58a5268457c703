# SPDX-License-Identifier: MIT
"""Networks of a test's own: namespaces of the kernel, wired to each other, entered and left by the test itself."""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_made = []


def ip(*words):
    """Runs ip(8)."""
    subprocess.run(["ip", *map(str, words)], check=True, stdin=subprocess.DEVNULL)


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    """One namespace with its loopback up. What is started inside stays there: hosts, daemons, sockets."""

    def __init__(self):
        self.name = f"gd{os.getpid()}n{len(_made)}"
        _made.append(self.name)
        ip("netns", "add", self.name)
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        """Runs ip(8) inside."""
        ip("-n", self.name, *words)

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is inside, and what it starts meanwhile."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _enter(self.fd)
        try:
            yield self
        finally:
            _enter(back)
            os.close(back)

    def wire(self, device, address, other, other_device, other_address):
        """A cable: device here with the address, other_device at the other end; addresses as 10.77.1.1/24."""
        self.ip("link", "add", device, "type", "veth", "peer", "name", other_device, "netns", other.name)
        for network, name, text in ((self, device, address), (other, other_device, other_address)):
            network.ip("address", "add", text, "dev", name)
            network.ip("link", "set", name, "up")

    def close(self):
        os.close(self.fd)
        ip("netns", "del", self.name)
