"""TLS towards Kafka: whom we trust, and the certificate by which a broker knows us. Nothing turns verification off."""

import datetime as dt
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files.

    Attributes:
        ca: Certificates of the authorities we trust; None for the system's.
        certificate: Ours, followed by those between it and its authority; for mutual TLS.
        key: Its private key; None when ``certificate`` holds it too.
        key_password: Opens ``key``.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext:
        """Verify certificate and host name of whom we talk to; TLS 1.2 or newer.

        Raises:
            ConfigurationError: A file is missing or is not what it should be, or our certificate is not valid now.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(f"the CA file {self.ca} can't be used: {_fault(exc)}") from exc
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            self._present(context, self.certificate)
        return context

    def _present(self, context: ssl.SSLContext, certificate: Path) -> None:
        try:
            ours = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"the certificate {certificate} can't be used: {_fault(exc)}") from exc
        # Said here, because under TLS 1.3 a broker's refusal comes late and says little.
        now = dt.datetime.now(dt.UTC)
        if not ours.not_valid_before_utc <= now <= ours.not_valid_after_utc:
            raise ConfigurationError(
                f"our certificate {certificate} is valid from {ours.not_valid_before_utc} to "
                f"{ours.not_valid_after_utc}, which is not now; renew it"
            )
        try:
            # Without a password OpenSSL would ask on the terminal.
            context.load_cert_chain(certificate, self.key, password=self.key_password or "")
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(
                f"the private key {self.key or certificate} can't be used: {_fault(exc)}; "
                f"check that it belongs to {certificate}, and its password"
            ) from exc


def _fault(error: Exception) -> str:
    """What is wrong, without what a library quotes."""
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "no PEM in it").lower().replace("_", " ")
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "no PEM certificate in it"
