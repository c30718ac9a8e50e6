"""A timestamp authority: `openssl ts` behind HTTP on loopback, with certificates of its own."""

import datetime as dt
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
DAY = dt.timedelta(days=1)
CONFIG = """
[tsa]
default_tsa = one
[one]
dir = {directory}
serial = $dir/serial
signer_cert = $dir/signer.pem
certs = $dir/ca.pem
signer_key = $dir/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _private(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass
class Authority:
    """A root, a certificate that stamps, and how often it was asked.

    Attributes:
        swap: The certificate that openssl signs with, and the one that it is sent as: openssl uses none that is unfit.
        change: What is done to each answer before it is sent.
    """

    directory: Path
    swap: tuple[bytes, bytes]
    asked: int = 0
    change: Callable[[bytes], bytes] = field(default=lambda answer: answer)
    status: int = 200

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        usage: tuple[x509.ObjectIdentifier, ...] = STAMPING,
        critical: bool = True,
        age: dt.timedelta = dt.timedelta(0),
    ) -> "Authority":
        """Make its files.

        Args:
            age: How long ago the signer's certificate, good for two days, began; it began a day ago at 0.
        """
        directory.mkdir(parents=True)
        now = dt.datetime.now(dt.UTC)
        root, signer = (rsa.generate_private_key(65_537, 2_048) for _ in range(2))
        ca = (
            x509.CertificateBuilder(_name("test root"), _name("test root"), root.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 1_000 * DAY)
            .not_valid_after(now + 1_000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), critical=False)
            .sign(root, hashes.SHA256())
        )
        serial = x509.random_serial_number()

        def leaf(name: str, usage: tuple[x509.ObjectIdentifier, ...], critical: bool) -> x509.Certificate:
            builder = (
                x509.CertificateBuilder(_name("test root"), _name(name), signer.public_key())
                .serial_number(serial)
                .not_valid_before(now - DAY - age)
                .not_valid_after(now + DAY - age)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            )
            if usage:
                builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=critical)
            return builder.sign(root, hashes.SHA256())

        fit = leaf("n" * 30, STAMPING, True)
        unfit = fit
        if (usage, critical) != (STAMPING, True):
            certificates = (leaf("n" * length, usage, critical) for length in range(1, 64))
            unfit = next(each for each in certificates if len(_der(each)) == len(_der(fit)))
        for name, content in (
            ("ca.pem", ca.public_bytes(serialization.Encoding.PEM)),
            ("signer.pem", fit.public_bytes(serialization.Encoding.PEM)),
            ("signer.key", _private(signer)),
            ("serial", b"01\n"),
            ("tsa.cnf", CONFIG.format(directory=directory).encode()),
        ):
            (directory / name).write_bytes(content)
        return cls(directory, swap=(_der(fit), _der(unfit)))

    @property
    def ca_file(self) -> Path:
        """Whom a verifier trusts."""
        return self.directory / "ca.pem"

    def reply(self, request: bytes) -> bytes:
        """Stamp."""
        with (
            tempfile.NamedTemporaryFile(dir=self.directory) as query,
            tempfile.NamedTemporaryFile(dir=self.directory) as answer,
        ):
            Path(query.name).write_bytes(request)
            subprocess.run(
                [
                    *("openssl", "ts", "-reply", "-config", str(self.directory / "tsa.cnf"), "-section", "one"),
                    *("-queryfile", query.name, "-out", answer.name),
                ],
                check=True,
                capture_output=True,
            )
            return Path(answer.name).read_bytes().replace(*self.swap)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Answer over HTTP while the body runs; gives the URL."""

        async def page(request: web.Request) -> web.Response:
            assert request.content_type == "application/timestamp-query"
            self.asked += 1
            answer = self.change(self.reply(await request.read()))
            return web.Response(body=answer, status=self.status, content_type="application/timestamp-reply")

        app = web.Application()
        app.add_routes([web.post("/tsa", page)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/tsa"
        finally:
            await runner.cleanup()
