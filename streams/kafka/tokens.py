"""OAuth access tokens for Kafka: from a file that something else renews, or from a token endpoint."""

import asyncio
import base64
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from schemas.errors import ConfigurationError
from streams.kafka.tls import TlsFiles
from streams.loopback import is_loopback

TIMEOUT_SECONDS: Final = 10
RENEW_AT: Final = 0.8
"""A token is replaced after this part of its life."""
ANSWER_BYTES: Final = 64 * 1024


class TokenUnavailable(ConfigurationError, KafkaError):  # type: ignore[misc]  # aiokafka is untyped
    """There is no token now. To aiokafka it is one of its own errors: a running client tries again."""


class _Answer(msgspec.Struct):
    """A token endpoint's answer (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: float = 60.0


@dataclass(frozen=True, slots=True)
class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """A file with the token and nothing else, read at each connection."""

    path: Path

    async def token(self) -> str:
        """The token as it is in the file now.

        Raises:
            TokenUnavailable: The file can't be read or is empty.
        """
        try:
            found = self.path.read_text("ascii").strip()
        except (OSError, UnicodeError) as exc:
            raise TokenUnavailable(f"the token file {self.path} can't be read ({type(exc).__name__})") from exc
        if not found:
            raise TokenUnavailable(f"the token file {self.path} is empty; something else should renew it")
        return found


@dataclass(slots=True)
class TokenEndpoint(AbstractTokenProvider):  # type: ignore[misc]
    """The client-credentials grant (RFC 6749, section 4.4): one token for all connections, renewed in time.

    Attributes:
        url: Of the token endpoint; https, or http on this machine.
        tls: Whom to trust there.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    tls: TlsFiles = field(default_factory=TlsFiles)
    _token: str = field(default="", init=False, repr=False)
    _renew_at: float = field(default=0.0, init=False, repr=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))):
            raise ConfigurationError("the token endpoint is sent a secret: its URL must begin with https://")

    async def token(self) -> str:
        """A token with some of its life left.

        Raises:
            TokenUnavailable: The endpoint can't be reached or gives none.
        """
        async with self._lock:
            if time.monotonic() >= self._renew_at:
                asked_at = time.monotonic()
                answer = await asyncio.to_thread(self._ask)
                self._token, self._renew_at = answer.access_token, asked_at + RENEW_AT * answer.expires_in
            return self._token

    def _ask(self) -> _Answer:
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        # Section 2.3.1: each part is form-encoded before they are joined.
        basic = base64.b64encode(f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url,
            urlencode(form).encode(),
            {"Authorization": f"Basic {basic}", "Accept": "application/json"},
        )
        place = urlsplit(self.url)
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self.tls.context()),
            urllib.request.ProxyHandler({} if is_loopback(place.hostname or "") else None),
            _NoRedirect(),
        )
        where = place.netloc.rpartition("@")[2]
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return msgspec.json.decode(response.read(ANSWER_BYTES), type=_Answer)
        except urllib.error.HTTPError as exc:
            raise TokenUnavailable(
                f"the token endpoint at {where} refuses with HTTP {exc.code}; check client id, secret, scope and path"
            ) from exc
        except urllib.error.URLError as exc:
            raise TokenUnavailable(
                f"the token endpoint at {where} can't be reached ({type(exc.reason).__name__}); check URL and CA file"
            ) from exc
        except (OSError, HTTPException) as exc:
            raise TokenUnavailable(f"the token endpoint at {where} did not answer ({type(exc).__name__})") from exc
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise TokenUnavailable(f"the token endpoint at {where} gave no token; check that it is one") from exc


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Our secret goes to the configured place and nowhere else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Never."""
