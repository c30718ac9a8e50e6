"""Logins to the console: made once for a credential, known by a secret that the browser keeps, stored as a digest.

A login holds how somebody proved who they are. Who they are now, and whether the key that they used still counts, is
asked with every request. Storing them is streams.storage.sessions; whether a row is ours, agents.platform.vouching.
"""

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from security.access.principal import NotAuthenticated

LIFETIME: Final = dt.timedelta(hours=8)

_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"ss_[A-Za-z0-9_-]{43}")
_CONTEXT: Final = b"sealstream/console-session/v2\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A login as it is stored.

    Attributes:
        digest: Of its secret.
        key_id: Of the API key that it was made for.
        issuer: Of the bearer token that it was made for, with its subject.
        certificate: Thumbprint of the client certificate that the token was bound to, and the login is.
        ends: From then on it counts for nothing; not after the token that it was made for.
        ended_at: When its person logged out.
    """

    digest: bytes
    key_id: str | None = None
    issuer: str | None = None
    subject: str | None = None
    certificate: str | None = None
    created: dt.datetime
    ends: dt.datetime
    ended_at: dt.datetime | None = None


def new_session_secret(random: Callable[[int], bytes]) -> tuple[str, bytes]:
    """What a browser keeps, and the digest of it to store.

    Args:
        random: Gives that many secret random bytes.
    """
    text = f"ss_{base64.urlsafe_b64encode(random(_SECRET_BYTES)).rstrip(b'=').decode()}"
    return text, hashlib.sha256(_CONTEXT + text.encode()).digest()


def session_digest(text: str) -> bytes | None:
    """The digest of a secret; None of what is none. It is looked up: nobody finds 256 random bits byte by byte."""
    return hashlib.sha256(_CONTEXT + text.encode()).digest() if _FORM.fullmatch(text) else None


def check_session(stored: ConsoleSession | None, now: dt.datetime) -> ConsoleSession:
    """See that a login counts.

    Raises:
        NotAuthenticated: It does not.
    """
    if stored is None or stored.ended_at is not None or not stored.created <= now < stored.ends:
        raise NotAuthenticated("session_ended", "this login is over; log in again")
    return stored
