"""API keys: made once, shown once, stored as a digest. Storing them is streams.storage.people.

The secret is 256 random bits, so a plain SHA-256 of it is all that storage needs: slow hashes make guessing a password
dear, and nobody guesses this. Checking one costs microseconds, and there is nothing in it to flood us with.
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.errors import ConfigurationError
from security.access.principal import Action, Method, NotAuthenticated, Principal
from security.key_provider import MAX_TIER

MAX_LIFETIME: Final = dt.timedelta(days=400)

_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"sk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_CONTEXT: Final = b"sealstream/api-key/v1\0"
_NOBODYS: Final = bytes(hashlib.sha256().digest_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is stored. Its secret is in nobody's hands but its holder's.

    Attributes:
        key_id: Public; names it in listings and logs.
        digest: Of its secret.
        person: For whom it acts.
        tier: The highest that it reads, whatever its person's is.
        actions: What it is good for.
        projects: Likewise; None for all of its person's.
        not_after: From then on it counts for nothing.

    Raises:
        ConfigurationError: It is good for nothing.
    """

    key_id: str
    digest: bytes
    person: str
    tier: int
    actions: frozenset[Action]
    projects: frozenset[str] | None
    created: dt.datetime
    not_after: dt.datetime
    revoked_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        if not self.actions or not 0 <= self.tier <= MAX_TIER:
            raise ConfigurationError(f"an API key is good for one action at least, at a tier of 0 to {MAX_TIER}")
        if not dt.timedelta(0) < self.not_after - self.created <= MAX_LIFETIME:
            raise ConfigurationError(f"an API key expires after it was made, at most {MAX_LIFETIME.days} days later")


def new_secret(random: Callable[[int], bytes]) -> tuple[str, str, bytes]:
    """Make a key.

    Args:
        random: Gives that many secret random bytes.

    Returns:
        Its text, to be shown once and forgotten; its id; the digest to store.
    """
    key_id = random(_ID_BYTES).hex()
    secret = base64.urlsafe_b64encode(random(_SECRET_BYTES)).rstrip(b"=").decode()
    return f"sk_{key_id}_{secret}", key_id, _digest(key_id, secret)


def key_id_of(text: str) -> str | None:
    """The id that a key's text names; None when it is no key's text."""
    found = _FORM.fullmatch(text)
    return found[1] if found is not None else None


def check_api_key(text: str, stored: ApiKey | None, now: dt.datetime) -> ApiKey:
    """See that a text is a key that counts.

    Args:
        stored: The key of the id that the text names; None when there is none, which takes as long to find out.

    Raises:
        NotAuthenticated: It is not. Only its holder is told that it expired or was revoked.
    """
    found = _FORM.fullmatch(text)
    key_id, secret = found.groups() if found is not None else ("", "")
    same = hmac.compare_digest(_digest(key_id, secret), stored.digest if stored is not None else _NOBODYS)
    if not same or stored is None or stored.key_id != key_id:
        raise NotAuthenticated("invalid_key", "the API key is not one of ours")
    return check_counts(stored, now)


def check_counts(stored: ApiKey, now: dt.datetime) -> ApiKey:
    """See that a key counts, once that it was shown is known.

    Raises:
        NotAuthenticated: It does not any more.
    """
    if stored.revoked_at is not None and stored.revoked_at <= now:
        raise NotAuthenticated("key_revoked", "the API key was revoked; ask for a new one")
    if not stored.created <= now < stored.not_after:
        raise NotAuthenticated("key_expired", "the API key has expired; ask for a new one")
    return stored


def acting_with(key: ApiKey, person: Principal) -> Principal:
    """The key's person, with no more than the key is good for."""
    return person.limited(
        method=Method.API_KEY, credential=key.key_id, tier=key.tier, actions=key.actions, projects=key.projects
    )


def _digest(key_id: str, secret: str) -> bytes:
    return hashlib.sha256(_CONTEXT + f"{key_id}\0{secret}".encode()).digest()
