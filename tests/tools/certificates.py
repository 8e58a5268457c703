# SPDX-License-Identifier: MIT
"""Makes certificates for tests, with openssl(1): authorities, and what they sign."""

import base64
import math
import os
import secrets
import subprocess


def openssl(*words):
    """Runs openssl; says what it said when it fails."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def make_certificate(folder, name, ca=None, *, days=10, alt="DNS:app.example", kind="ec", more=(), subject=None):
    """NAME.pem and NAME.key; signed by ca, or an authority without one.

    kind  ec, slow (to sign with), rsa, or made: NAME.key is there
    more  further lines of extensions
    subject  else /CN=NAME
    """
    key, pem, request = folder / f"{name}.key", folder / f"{name}.pem", folder / f"{name}.csr"
    form = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key],
            "slow": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", key],
            "rsa": ["-newkey", "rsa:2048", "-nodes", "-keyout", key], "made": ["-new", "-key", key]}[kind]
    openssl("req", *form, "-subj", subject or f"/CN={name}", "-utf8",
            *(["-x509", "-days", days, "-out", pem] if ca is None else ["-out", request]))
    if ca:
        extensions = folder / f"{name}.ext"
        extensions.write_text("".join(f"{line}\n" for line in [f"subjectAltName={alt}", *more]))
        openssl("x509", "-req", "-in", request, "-CA", folder / f"{ca}.pem", "-CAkey", folder / f"{ca}.key",
                "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", pem)
    os.chmod(key, 0o600)
    return str(pem), str(key)


def join(path, *parts):
    """One file of several, for its owner alone."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        for part in parts:
            with open(part, "rb") as file:
                out.write(file.read())
    return str(path)


def is_prime(number):
    """By Miller and Rabin."""
    if any(number % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    for _ in range(8):
        power = pow(secrets.randbelow(number - 3) + 2, number >> twos, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def der(tag, value):
    """A value of ASN.1."""
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (size if len(value) < 128 else bytes([0x80 | len(size)]) + size) + value


def make_large_rsa(path, bits):
    """An RSA key in a second where openssl takes minutes: what it calls two primes are products of small ones.

    As a lock it is worthless, but whoever verifies it has all the work that so long a key makes.
    """
    exponent, halves = 65537, []
    for _ in range(2):
        primes = set()
        while len(primes) < bits // 512:
            number = (1 << 256) - secrets.randbits(240) | 1
            if number % exponent != 1 and is_prime(number):
                primes.add(number)
        halves.append((math.prod(primes), math.lcm(*(prime - 1 for prime in primes))))
    (p, p_order), (q, q_order) = halves
    secret = pow(exponent, -1, math.lcm(p_order, q_order))
    numbers = (0, p * q, exponent, secret, p, q, secret % p_order, secret % q_order, pow(q, -1, p))
    whole = der(0x30, b"".join(der(2, number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in numbers))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        out.write(f"-----BEGIN RSA PRIVATE KEY-----\n{base64.encodebytes(whole).decode()}-----END RSA PRIVATE KEY-----\n")
