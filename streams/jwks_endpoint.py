"""Fetching a JWK Set over HTTPS: bounded in size and time, from one host whose key may be pinned; unread."""

import base64
import binascii
import hashlib
import re
import ssl
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas.errors import ConfigurationError, SealstreamError

MAX_BODY_BYTES: Final = 1 << 20
TOTAL_SECONDS: Final = 10.0
PIN_PREFIX: Final = "sha256/"

_MAX_HEADER_BYTES: Final = 8_190
_MAX_ETAG: Final = 256
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,10})\"?(?:$|[,\s])", re.IGNORECASE)


class JwksUnavailable(SealstreamError):
    """An endpoint gave no JWK Set: away, not the one it should be, or with an answer that we don't take."""


class _WrongPin(ssl.SSLError):
    """The server's key is none of the pinned ones."""


@dataclass(frozen=True, slots=True)
class JwksAnswer:
    """What an endpoint answered.

    Attributes:
        body: The document; None when it is the one that we have (304).
        etag: By which to ask for a newer one.
        max_age: Seconds for which the server says that it is fresh.
    """

    body: bytes | None
    etag: str | None
    max_age: int | None


def check_endpoint(url: str, pins: tuple[str, ...] = (), ca: str | None = None) -> None:
    """See that an endpoint could be asked.

    Raises:
        ConfigurationError: No https URL, no pins, or no certificates.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.username is not None or parts.fragment or not url.isascii() or any(map(str.isspace, url)):
        raise ConfigurationError("the endpoint is an https:// URL without user, password and fragment")
    for pin in pins:
        try:
            digest = base64.b64decode(pin.removeprefix(PIN_PREFIX), validate=True)
        except binascii.Error:
            digest = b""
        if not pin.startswith(PIN_PREFIX) or len(digest) != hashlib.sha256().digest_size:
            raise ConfigurationError(f"a pin is {PIN_PREFIX} and the base64 of a SHA-256 of the server's public key")
    _context(pins, ca)


def pin_of(certificate: bytes) -> str:
    """The pin of a certificate (DER): SHA-256 of its SubjectPublicKeyInfo, as in RFC 7469."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PIN_PREFIX + base64.b64encode(hashlib.sha256(info).digest()).decode()


async def fetch_jwks(
    url: str, *, pins: tuple[str, ...] = (), ca: str | None = None, etag: str | None = None
) -> JwksAnswer:
    """Ask an endpoint once.

    Args:
        pins: The server's key must be one of these, besides a valid certificate; any when empty.
        ca: Whom to trust to name the server, in PEM; None: the system's authorities.
        etag: Of the document that we have.

    Raises:
        JwksUnavailable: There is no answer that we take; the text says why.
    """
    check_endpoint(url, pins, ca)
    where = urlsplit(url).netloc
    headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
    if etag is not None:
        headers["If-None-Match"] = etag
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=_context(pins, ca), force_close=True),
                timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            ) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            return await _answer(where, response)
    except TimeoutError as exc:
        raise JwksUnavailable(f"{where} did not answer within {TOTAL_SECONDS:g} s") from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise JwksUnavailable(_why(where, exc)) from exc


async def _answer(where: str, response: aiohttp.ClientResponse) -> JwksAnswer:
    etag = response.headers.get("ETag")
    if etag is not None and (len(etag) > _MAX_ETAG or not etag.isascii() or not etag.isprintable()):
        etag = None
    found = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
    max_age = int(found[1]) if found is not None else None
    if response.status == 304:
        return JwksAnswer(None, etag, max_age)
    if 300 <= response.status < 400:
        raise JwksUnavailable(
            f"{where} redirects (HTTP {response.status}); subscribe to where it leads, if that is theirs"
        )
    if response.status != 200:
        raise JwksUnavailable(f"{where} answers HTTP {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise JwksUnavailable(f"{where} packs its answer, which it was asked not to do")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise JwksUnavailable(f"{where} answers more than {MAX_BODY_BYTES} bytes")
    return JwksAnswer(bytes(body), etag, max_age)


def _why(where: str, error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _WrongPin):
            return f"the key of {where} is none of the pinned ones"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {where} is not one that we trust for that name; see --ca"
        cause = cause.__cause__ or cause.__context__
    return f"{where} does not answer as a server of HTTP over TLS does ({type(error).__name__})"


class _PinnedConnection(ssl.SSLObject):
    """A connection that goes no further than the handshake with a key that is not pinned: nothing was asked yet."""

    pins: ClassVar[frozenset[str]] = frozenset()

    def do_handshake(self) -> None:
        super().do_handshake()
        certificate = self.getpeercert(binary_form=True)
        if certificate is None or pin_of(certificate) not in self.pins:
            raise _WrongPin("the server's key is not pinned")


def _context(pins: tuple[str, ...], ca: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as exc:
        raise ConfigurationError("the CA file holds no certificates in PEM") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pins:
        context.sslobject_class = type("_Pinned", (_PinnedConnection,), {"pins": frozenset(pins)})
    return context
