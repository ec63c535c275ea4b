"""Certificates of an authority of our own, made by openssl, for receivers that
speak TLS."""

import ssl
import subprocess

CONFIGURATION = """
[ca]
default_ca = ours
[ours]
database = {place}/index
serial = {place}/serial
new_certs_dir = {place}
certificate = {place}/authority.pem
private_key = {place}/authority.key
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


def client_context(authority):
    """What a client of ours wraps its connections with."""
    return ssl.create_default_context(cafile=authority.file)


class Authority:
    def __init__(self, place):
        self.place = place
        self.file = place / "authority.pem"  # What a sender is to trust.
        (place / "index").touch()
        (place / "serial").write_text("01\n")
        (place / "configuration").write_text(CONFIGURATION.format(place=place))
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", place / "authority.key", "-out", self.file,
            "-subj", "/CN=authority", "-days", "2", "-config", place / "configuration",
            "-addext", "basicConstraints=critical,CA:true",
        )  # fmt: skip

    def issue(self, name, *, expired=False):
        """The files of a certificate for this name, and of its key."""
        stem = f"{name}-expired" if expired else name
        request, made, key, extra = (
            self.place / f"{stem}.{ending}" for ending in ("csr", "pem", "key", "ext")
        )
        kind = "IP" if name[0].isdigit() else "DNS"
        extra.write_text(f"subjectAltName = {kind}:{name}\n")
        end = "20200102000000Z" if expired else "20491231000000Z"
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", request, "-subj", f"/CN={name}",
            "-config", self.place / "configuration",
        )  # fmt: skip
        self._openssl(
            "ca", "-batch", "-notext", "-config", self.place / "configuration",
            "-in", request, "-out", made, "-extfile", extra,
            "-startdate", "20200101000000Z", "-enddate", end,
        )  # fmt: skip
        return made, key

    def server(self, name, *, expired=False, protocols=()):
        """What a server of this name wraps its connections with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, expired=expired))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def _openssl(self, *arguments):
        done = subprocess.run(
            ["openssl", *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
