"""What an auditor brings along, and who else is shown what is verified."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from agents.log.held_export import HeldExport
from schemas.catalogue import Catalogue
from schemas.leaf import Leaf
from security.key_provider import KeyProvider, Scope
from security.note import Verifier
from security.opening import OpenedField
from security.tier_keys import TierKeys
from streams.storage.sequencing import LogRow

CHECKPOINT_PATIENCE: Final = 5
"""Seconds that a sequencer gets to sign what was just placed; by default it does so every second."""

Observer = Callable[[Leaf, Mapping[str, OpenedField]], None]
"""Is shown every leaf whose rows exist, with the opened fields of its result (none for other kinds)."""


@dataclass(frozen=True, slots=True)
class AuditContext:
    """What the auditor trusts and may open.

    Attributes:
        authority: Public key that certifies workers.
        verifier_for: Gives a log's verification key.
        catalogue: The fields' tiers and searchability, as they stand now; None when it can't be read, and then blind
            terms are not compared.
        provider: Gives the keys of keyed digests.
        tier_keys: The tier keys the auditor may use; fields above are counted as sealed.
        access_keys: The keys of what looks disclosed.
        max_tier: Highest tier to open.
        is_destroyed: Whether the provider's keys of a scope are destroyed and gone.
        patience: Seconds that a sequencer gets to sign what was just placed.
        timestamp_authorities: Whom the auditor lets tell the time; where nobody is named, timestamps are counted only.
        witnesses: Keys of the witnesses whose cosignatures are checked; lines by others are counted.
        held: Exports of shards that are held outside the database, by origin.
        outside: Tenants of whose log a shard is held outside, and no export was brought along: its rows can't be
            compared, for what the missing leaves say is part of what they are compared with.
    """

    authority: bytes
    verifier_for: Callable[[LogRow], Verifier]
    catalogue: Catalogue | None
    provider: KeyProvider
    tier_keys: TierKeys
    access_keys: TierKeys
    max_tier: int
    is_destroyed: Callable[[Scope], bool]
    observe: Observer = lambda leaf, fields: None
    patience: float = CHECKPOINT_PATIENCE
    witnesses: Sequence[Verifier] = ()
    timestamp_authorities: Sequence[x509.Certificate] = ()
    held: Mapping[str, HeldExport] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()
