# SPDX-License-Identifier: MIT
"""Makes certificates for tests, with openssl(1): authorities, and what they sign."""

import os
import subprocess


def openssl(*words):
    """Runs openssl; says what it said when it fails."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def make_certificate(folder, name, ca=None, *, days=10, alt="DNS:app.example", kind="ec", more=(), subject=None):
    """NAME.pem and NAME.key; signed by ca, or an authority without one.

    kind  ec or rsa
    more  further lines of extensions
    subject  else /CN=NAME
    """
    key, pem, request = folder / f"{name}.key", folder / f"{name}.pem", folder / f"{name}.csr"
    form = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
    openssl("req", "-newkey", *form, "-nodes", "-keyout", key, "-subj", subject or f"/CN={name}", "-utf8",
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
