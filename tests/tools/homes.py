# SPDX-License-Identifier: MIT
"""Where schedulers source and maglev send a client, computed anew from their description: hosts of equal weight."""

import ipaddress
import struct

WORD = (1 << 64) - 1
SLOTS = 65537


def siphash(data):
    """SipHash-2-4 with a key of zeros (Aumasson and Bernstein 2012)."""
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]

    def turn(word, bits):
        return (word << bits | word >> (64 - bits)) & WORD

    def rounds(count):
        for _ in range(count):
            v[0] = v[0] + v[1] & WORD
            v[2] = v[2] + v[3] & WORD
            v[1], v[3] = turn(v[1], 13) ^ v[0], turn(v[3], 16) ^ v[2]
            v[0] = turn(v[0], 32)
            v[2] = v[2] + v[1] & WORD
            v[0] = v[0] + v[3] & WORD
            v[1], v[3] = turn(v[1], 17) ^ v[2], turn(v[3], 21) ^ v[0]
            v[2] = turn(v[2], 32)

    whole = len(data) // 8 * 8
    last = data[whole:].ljust(7, b"\0") + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", data[:whole] + last):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def mix(value):
    """The end of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB & WORD
    return value ^ value >> 31


def key_of(client):
    return siphash(ipaddress.ip_address(client).packed)


class SourceHomes:
    """Rendezvous hashing: of all hosts the one with the highest draw for the key's bucket."""

    def __init__(self, names):
        self.identities = {name: siphash(name.encode()) for name in names}

    def __getitem__(self, client):
        bucket = mix(key_of(client) >> 48)
        return max(self.identities, key=lambda name: mix(bucket ^ self.identities[name]))


class MaglevHomes:
    """The table of the Maglev paper (NSDI 2016, 3.4), turns in the order of the names' hashes."""

    def __init__(self, names):
        identities = {name: siphash(name.encode()) for name in names}
        ways = [[name, identity % SLOTS, mix(identity) % (SLOTS - 1) + 1]
                for name, identity in sorted(identities.items(), key=lambda item: item[1])]
        self.slots, left = [None] * SLOTS, SLOTS
        while left:
            for way in ways:
                name, slot, skip = way
                while self.slots[slot] is not None:
                    slot = (slot + skip) % SLOTS
                self.slots[slot], way[1], left = name, slot, left - 1
                if not left:
                    break

    def __getitem__(self, client):
        return self.slots[key_of(client) % SLOTS]


HOMES = {"source": SourceHomes, "maglev": MaglevHomes}
