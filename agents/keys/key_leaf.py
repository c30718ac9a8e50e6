"""What a leaf of the kind `key` says of a registered key or a policy. Making the change is agents.keys.registrar."""

import datetime as dt

from agents.platform.knowledge import signing_key
from schemas.leaf import KeyChange
from security.algorithms import SignatureEncoding
from security.jwk import encode_base64url, thumbprint
from streams.storage.keys import SigningKeyRow
from streams.storage.registry import SourcePolicyRow
from streams.storage.subscriptions import SubscriptionRow


def key_change(row: SigningKeyRow, change: str, follows: str | None = None, crl: bytes | None = None) -> KeyChange:
    """The record of a key as a leaf says it.

    Args:
        follows: The key that a new one takes over from.
        crl: Digest of the revocation list that brings the change.

    Raises:
        ConfigurationError: The stored key is not one.
    """
    key = signing_key(row)
    return KeyChange(
        algorithm=key.algorithm.value,
        certificates=tuple(map(encode_base64url, row.chain)),
        change=change,
        crl=encode_base64url(crl) if crl is not None else None,
        domain=row.domain,
        encoding=key.encoding.value if key.encoding is not SignatureEncoding.RAW else None,
        follows=follows,
        id=row.key_id,
        not_after=_moment(row.not_after),
        not_before=_moment(row.not_before),
        revoked=_moment(row.revoked_at),
        signer_id=key.signer_id,
        sources=tuple(row.sources),
        subscription=row.subscription,
        thumbprint=thumbprint(key.public_key),
    )


def policy_change(row: SourcePolicyRow, change: str) -> KeyChange:
    """A source's policy as a leaf says it."""
    return KeyChange(
        algorithms=tuple(row.algorithms),
        change=change,
        expiry=row.expiry,
        max_age_ms=_milliseconds(row.max_age),
        max_ahead_ms=_milliseconds(row.max_ahead),
        signatures=row.signatures,
        since=rfc3339(row.since),
        sources=(row.source,),
    )


def subscription_change(row: SubscriptionRow, change: str) -> KeyChange:
    """A subscription to a JWK Set, and for what its keys may sign, as a leaf says it."""
    return KeyChange(change=change, domain=row.domain, sources=tuple(row.sources), subscription=row.url)


def rfc3339(moment: dt.datetime) -> str:
    """A moment in UTC with microseconds, which is what the database keeps."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _milliseconds(limit: dt.timedelta | None) -> int | None:
    return None if limit is None else limit // dt.timedelta(milliseconds=1)


def _moment(moment: dt.datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
