# SPDX-License-Identifier: MIT
"""An authority that revokes: lists of revoked certificates and OCSP answers by openssl(1), and the web server that has them."""

import http.server
import subprocess
import tempfile
import threading
import time

from certificates import openssl


class Revoker:
    """Makes lists and OCSP answers of an authority NAME.pem, NAME.key in a folder."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.index = folder / f"{name}.index"
        self.settings = folder / f"{name}.cnf"
        self.index.write_text("")
        (folder / f"{name}.index.attr").write_text("unique_subject = no\n")
        (folder / f"{name}.crlnumber").write_text("01\n")
        self.settings.write_text(f"[ca]\ndefault_ca = it\n[it]\ndatabase = {self.index}\ndefault_md = sha256\n"
                                 f"crlnumber = {folder}/{name}.crlnumber\ncrl_extensions = more\n"
                                 "[more]\nauthorityKeyIdentifier = keyid\n")

    def know(self, *names, revoked=()):
        """What is known of certificates: those revoked, and those that are not."""
        rows = []
        for name in [*names, *revoked]:
            serial = openssl("x509", "-in", self.folder / f"{name}.pem", "-noout", "-serial").strip().split("=")[1]
            state = "R\t491231235959Z\t240101000000Z" if name in revoked else "V\t491231235959Z\t"
            rows.append(f"{state}\t{serial}\tunknown\t/CN={name}\n")
        self.index.write_text("".join(rows))

    def crl(self, revoked=(), seconds=3600, form="DER", made=None, ends=None, others=0):
        """A list that is to be renewed after so many seconds; made, ends: else at these moments, as YYMMDDHHMMSSZ.

        others  so many more are on it, of whom nobody has heard
        """
        self.know(revoked=revoked)
        with open(self.index, "a", encoding="utf-8") as index:
            index.writelines(f"R\t491231235959Z\t240101000000Z\t{0x100000 + n:010X}\tunknown\t/CN=x{n}\n" for n in range(others))
        times = ["-crl_lastupdate", made, "-crl_nextupdate", ends] if made else ["-crlsec", seconds]
        pem = openssl("ca", "-gencrl", "-config", self.settings, "-cert", self.folder / f"{self.name}.pem",
                      "-keyfile", self.folder / f"{self.name}.key", *times)
        if form == "PEM":
            return pem.encode()
        return subprocess.run(["openssl", "crl", "-outform", "DER"], input=pem.encode(), capture_output=True, check=True).stdout

    def answer(self, request, minutes=60):
        """The OCSP answer to a request, both in DER, by what is known."""
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/request", "wb") as file:
                file.write(request)
            openssl("ocsp", "-index", self.index, "-rsigner", self.folder / f"{self.name}.pem", "-rkey",
                    self.folder / f"{self.name}.key", "-CA", self.folder / f"{self.name}.pem", "-reqin", f"{folder}/request",
                    "-respout", f"{folder}/answer", "-nmin", minutes)
            with open(f"{folder}/answer", "rb") as file:
                return file.read()


class Web:
    """Serves bytes, or what a function makes of the request's body, by path; `asked` has each request's path with its time.

    A path that has nothing is answered 404, one whose answer is an exception is hung up on.
    """

    def __init__(self, port=0):
        self.pages, self.asked = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                web.asked.append((self.path, time.monotonic()))
                page = web.pages.get(self.path)
                if callable(page):
                    page = page(body)
                kind = "application/ocsp-response" if body else "application/pkix-crl"
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            do_GET = do_POST = serve  # noqa: N815  (the names are the library's)

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def count(self, path):
        return sum(one == path for one, _ in self.asked)

    def close(self):
        """Whoever asks from now on is refused."""
        if self.thread:
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()
            self.thread = None
