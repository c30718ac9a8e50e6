"""What a producer's JWK Set changes in the registry: pure. Asking for it is agents.keys.subscription_keeper.

A key that the set names for the first time is registered from then on; one that it no longer names is limited. A key
never comes back, since a validity is never lengthened: the producer gives it a new `kid`.
"""

import datetime as dt
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from agents.keys.new_key import KEY_NAME
from agents.platform.identity import Keyring
from agents.platform.knowledge import signing_key
from security.jwk import Jwk, json_object, parse_jwks
from security.public_key import InvalidKeyError
from streams.storage.keys import SigningKeyRow
from streams.storage.subscriptions import SubscriptionRow

_KEY: Final = "subscription"


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JWK Set that was read.

    Attributes:
        keys: Those that we can use.
        named: The `kid` of every key in it, whether we can use it or not.
    """

    keys: tuple[Jwk, ...]
    named: frozenset[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a set changes.

    Attributes:
        new: Rows to register, but for the start of their validity.
        gone: Keys to limit.
        faults: What can't be taken, in words.
    """

    new: Sequence[SigningKeyRow]
    gone: Sequence[SigningKeyRow]
    faults: Sequence[str]


def read_set(body: bytes) -> KeySet:
    """The keys of an answer.

    Raises:
        InvalidKeyError: It is no JWK Set, gives away a private key, or holds no key that we can use: nothing follows
            from such an answer.
    """
    keys = parse_jwks(body)
    if not keys:
        raise InvalidKeyError("a JWK Set holds no key that we can use")
    entries = json_object(body)["keys"]
    named = [entry.get("kid") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return KeySet(keys, frozenset(kid for kid in named if isinstance(kid, str)))


def difference(
    rows: Sequence[SigningKeyRow], subscription: SubscriptionRow, found: KeySet, now: dt.datetime
) -> Difference:
    """Compare a set with the registered keys.

    Args:
        rows: All registered keys.
    """
    known = {row.key_id: row for row in rows}
    new: list[SigningKeyRow] = []
    faults: list[str] = []
    same: set[str] = set()
    for jwk in found.keys:
        name = jwk.key_id
        if name is None or not KEY_NAME.fullmatch(name):
            faults.append("a key has no name (kid) that can be one here")
            continue
        row = known.get(name)
        if row is None:
            new.append(_row(name, jwk, subscription))
            known[name] = new[-1]
        elif row.subscription != subscription.url:
            faults.append(f"the name {name} is another key's")
        elif signing_key(row).public_key != jwk.public_key:
            faults.append(f"the name {name} was given to another key")
        else:
            same.add(name)
            if row.not_after is not None and row.not_after <= now:
                faults.append(f"key {name} was withdrawn and is there again; it needs a new name")
    usable = {jwk.key_id for jwk in found.keys}
    gone = [
        row
        for row in active(rows, subscription.url, now)
        if row.key_id not in same and (row.key_id in usable or row.key_id not in found.named)
    ]
    return Difference(new, gone, faults)


def active(rows: Sequence[SigningKeyRow], url: str, now: dt.datetime) -> list[SigningKeyRow]:
    """The keys of a subscription that have no end yet."""
    return [
        row for row in rows if row.subscription == url and row.revoked_at is None and (row.not_after or _LATER) > now
    ]


def authenticated(row: SubscriptionRow, keyring: Keyring) -> SubscriptionRow:
    """The subscription with the platform's MAC over what was agreed: whoever adds rows by SQL can't make it."""
    agreed = msgspec.json.encode(
        [row.url, row.tenant, row.domain, row.sources, row.pins, row.ca, str(row.every), str(row.keep)]
    )
    return replace(row, mac=hmac.digest(keyring.index_key(row.tenant, _KEY), agreed, "sha256"))


def is_authentic(row: SubscriptionRow, keyring: Keyring) -> bool:
    """Whether the platform made the subscription."""
    return hmac.compare_digest(authenticated(row, keyring).mac, row.mac)


def _row(name: str, jwk: Jwk, subscription: SubscriptionRow) -> SigningKeyRow:
    return SigningKeyRow(
        key_id=name,
        jwk=dict(replace(jwk, key_id=None).to_members()),
        tenant=subscription.tenant,
        domain=subscription.domain,
        sources=subscription.sources,
        subscription=subscription.url,
    )


_LATER: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
