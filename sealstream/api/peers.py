"""Who is at the other end of a connection: the client certificate that mutual TLS asked for (RFC 8705).

The handshake has seen that an authority of ours signed it; here it gets a name that tokens can be bound to.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from security.jwk import encode_base64url

_CERTIFICATE = "client_certificate"


class PeerNaming(H11Protocol):
    """HTTP/1.1 whose requests know the certificate of their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        """Note whose connection it is; uvicorn copies that state into each request's scope."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate is not None:
            self.app_state = self.app_state | {_CERTIFICATE: thumbprint(certificate)}


def certificate_of(scope: Mapping[str, Any]) -> str | None:
    """The thumbprint of the certificate that the client showed; None where it was asked for none."""
    found: str | None = scope["state"].get(_CERTIFICATE)
    return found


def thumbprint(certificate: bytes) -> str:
    """The `x5t#S256` of a certificate (RFC 8705, 3.1).

    Args:
        certificate: DER.
    """
    return encode_base64url(hashlib.sha256(certificate).digest())
