"""Which keys answer for an event: the signatures of an envelope against the keys and the policy of its source.

What the signatures are over, and checking one of them, comes in as a function: a batch's signature is checked once for
all its records. Reading envelopes is security.dsse; the keys and the policies are security.key_registry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.errors import Rejection
from schemas.reasons import Reason
from security.dsse import DsseSignature
from security.key_registry import KeyRegistry, SigningKey
from security.signatures import BadSignature
from security.source_policy import SourcePolicy

MAX_ATTEMPTS = 16
"""Signature checks spent on one event. A signature with a key id takes one; many signatures without any take more."""

Holds = Callable[[SigningKey, int], bool]
"""`holds(key, n)`: whether the n-th signature of the envelope holds under the key."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who answers for an event.

    Attributes:
        key_ids: The distinct keys under which a signature held, in the order of the signatures.
        tenant: Whose event it is, by the keys.
        domain: Who within the tenant owns the data, by the keys.
    """

    key_ids: tuple[str, ...]
    tenant: str
    domain: str


def attesting_keys(
    source: str,
    event_type: str,
    signatures: Sequence[DsseSignature],
    holds: Holds,
    registry: KeyRegistry,
    at_ms: int,
) -> Attestation:
    """Find every distinct key under which a signature holds; there are as many as the policy wants.

    Args:
        source: The event's source: keys are bound to it.
        event_type: The event's type.
        signatures: Of the envelope; key ids in them are hints.
        holds: Checks one signature under one key.
        registry: The keys and the policies.
        at_ms: When the broker appended the record, milliseconds since 1970.

    Raises:
        Rejection: `unknown_key` when no key of the source could be tried; `key_revoked` or `key_expired` when a key
            signed that did not count at the time, and without it there are too few; `bad_signature` when nothing
            holds, or keys of different domains signed; `missing_signature` when fewer keys signed than the policy
            wants.
    """
    policy = registry.policy(source, at_ms)
    found: dict[str, SigningKey] = {}
    refused: list[tuple[Reason, SigningKey, int]] = []
    attempts = 0
    for n, signature in enumerate(signatures):
        for key in registry.candidates(source, event_type, signature.key_id):
            if not policy.admits(key.algorithm):
                continue
            refusal = key.refusal(at_ms)
            if refusal is not None:
                refused.append((refusal, key, n))
            elif attempts < MAX_ATTEMPTS:
                attempts += 1
                if holds(key, n):
                    found[key.key_id] = key
                    break
    keys = list(found.values())
    if len(keys) < policy.signatures:
        _refuse(keys, policy, refused, holds, attempts)
    # Which of two owners a record has must not depend on which signature somebody on the way left out or put first.
    if len(keys) > 1 and len({key.domain for key in keys}) > 1:
        raise Rejection(Reason.BAD_SIGNATURE, "keys of different domains signed, so nobody owns the record")
    return Attestation(tuple(found), keys[0].tenant, keys[0].domain)


def is_genuine(key: SigningKey, message: bytes, signature: bytes) -> bool:
    """Whether a signature holds under a key."""
    try:
        key.verify(message, signature)
    except BadSignature:
        return False
    return True


def _refuse(
    keys: Sequence[SigningKey],
    policy: SourcePolicy,
    refused: Sequence[tuple[Reason, SigningKey, int]],
    holds: Holds,
    attempts: int,
) -> None:
    # That a revoked key signed is an alarm: it is only raised when the key really did.
    for refusal, key, n in refused[: MAX_ATTEMPTS - attempts]:
        attempts += 1
        if holds(key, n):
            raise Rejection(refusal, "a key that signed did not count when the record was appended")
    if keys:
        detail = f"{len(keys)} of the {policy.signatures} keys signed that the policy of this source wants"
        raise Rejection(Reason.MISSING_SIGNATURE, detail)
    if not attempts:
        raise Rejection(Reason.UNKNOWN_KEY, "no key of that id may sign for this source and type")
    raise Rejection(Reason.BAD_SIGNATURE, "no signature holds under a key of this source and type")
