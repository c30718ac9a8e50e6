"""What a process opens before its first record: logs, tier keys, key registry, catalogue.

Where the keyring and the database come from is the wiring's business.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.commits.leaves import LogRef
from agents.commits.outcomes import Owner
from agents.platform.catalogue_in_force import catalogue_rows
from agents.platform.identity import Identity
from schemas.catalogue import Catalogue, CatalogueRow
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from security.jwk import parse_jwk
from security.key_provider import MAX_TIER, KeyProvider, Scope
from security.key_registry import KeyRegistry, SigningKey
from security.key_scopes import KeyScopes
from security.signatures import Algorithm
from security.source_policy import SourcePolicy
from security.suites import Suite
from security.tier_keys import TierKeyRecord, TierKeys, new_tier_key
from streams.storage import keys
from streams.storage.database import Connection, Database
from streams.storage.index_keys import current_versions, list_rotations
from streams.storage.keys import SigningKeyRow
from streams.storage.models import ModelRow, list_models
from streams.storage.registry import SourcePolicyRow, list_source_policies, registry_revision

PLATFORM_DOMAIN: Final = "intake"
"""What can't be verified belongs to the platform itself."""

ACCESS_DOMAIN: Final = "_access"
ACCESS_TIER: Final = 3
"""Who looked at what says something about both: the ids that a response showed are sealed as confidential, in a
domain of their own, so that logging a look at tier 1 needs no key that opens data of a higher tier."""

REASON_FIELD: Final = "reason"
"""Name under which the reason of a deliberate act is sealed, in the same domain."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a process knows once it is open: a snapshot.

    Attributes:
        tier_keys: The keys of records' fields, up to the tier asked for.
        access_keys: The keys under which the ids of a response are sealed.
        index_versions: Versions of index keys, by tenant and field; see security.blind_terms.
        models: The registry of models.
        revision: Of the registries of keys and models.
        asked_at: When the keyring was asked for the tier keys, in seconds of the monotonic clock.
    """

    registry: KeyRegistry
    catalogue: Catalogue
    owners: Mapping[tuple[str, str], Owner]
    platform: Owner
    tier_keys: TierKeys
    access_keys: TierKeys
    index_versions: Mapping[tuple[str, str], int]
    models: Sequence[ModelRow]
    revision: int
    asked_at: float


async def load_knowledge(
    database: Database,
    identity: Identity,
    max_tier: int = MAX_TIER,
    domains: Collection[tuple[str, str]] | None = None,
    *,
    scopes: KeyScopes | None = None,
    held: bool = True,
) -> Knowledge:
    """Read the snapshot, and make logs and tier keys that are missing.

    Args:
        max_tier: Tier keys above it are never made or unwrapped.
        domains: Tenant and domain of the owners whose tier keys are wanted, likewise; None for all.
        scopes: What this process serves, likewise; None for everything.
        held: Whether keys are wanted at all; if not, none is made or unwrapped, whatever else is said.

    Raises:
        ConfigurationError: The keyring is not the one the logs were opened with.
        KeyUnavailable: A stored tier key's KEK is not in the keyring.
        Unavailable: The keyring's provider does not answer.
    """
    voucher = await asyncio.to_thread(identity.voucher)
    async with database.session() as connection:
        revision = await registry_revision(connection)
        rows = await keys.list_signing_keys(connection)
        policies = await list_source_policies(connection)
        places = {(PLATFORM_TENANT, PLATFORM_DOMAIN)} | {(row.tenant, row.domain) for row in rows}
        logs = {tenant: await _open_log(connection, identity, tenant) for tenant in sorted({t for t, _ in places})}
        owners = {(tenant, domain): Owner(logs[tenant], domain) for tenant, domain in places}
        catalogue = _catalogue(await catalogue_rows(connection, voucher))
        index_versions = current_versions(await list_rotations(connection))
        models = await list_models(connection)
        tier_keys = TierKeys(max_tier, domains, scopes)
        access_keys = TierKeys(domains=_access_domains(domains, scopes, {tenant for tenant, _ in places}))
        stored = []
        if held:
            stored = await _stored_tier_keys(connection, identity.keyring, places, tier_keys, access_keys)
    asked_at = time.monotonic()
    await asyncio.to_thread(_open, stored, identity.keyring, tier_keys, access_keys)
    return Knowledge(
        registry=KeyRegistry(map(signing_key, rows), map(source_policy, policies)),
        catalogue=catalogue,
        owners=owners,
        platform=owners[PLATFORM_TENANT, PLATFORM_DOMAIN],
        tier_keys=tier_keys,
        access_keys=access_keys,
        index_versions=index_versions,
        models=models,
        revision=revision,
        asked_at=asked_at,
    )


def signing_key(row: SigningKeyRow) -> SigningKey:
    """A registered key, ready to verify.

    Raises:
        ConfigurationError: The stored key is not one.
    """
    record = parse_jwk(msgspec.json.encode(row.jwk))
    return SigningKey(
        key_id=row.key_id,
        algorithm=record.algorithm,
        public_key=record.public_key,
        encoding=record.encoding,
        signer_id=record.signer_id,
        tenant=row.tenant,
        domain=row.domain,
        sources=tuple(row.sources),
        not_before=row.not_before,
        not_after=row.not_after,
        revoked_at=row.revoked_at,
    )


def source_policy(row: SourcePolicyRow) -> SourcePolicy:
    """A stored policy, ready to judge by.

    Raises:
        ConfigurationError: The stored policy is none.
    """
    try:
        algorithms = tuple(map(Algorithm, row.algorithms))
    except ValueError as exc:
        raise ConfigurationError(f"the policy for {row.source!r} names an algorithm that this version lacks") from exc
    return SourcePolicy(
        source=row.source,
        signatures=row.signatures,
        algorithms=algorithms,
        since=row.since,
        max_age=row.max_age,
        max_ahead=row.max_ahead,
        expiry=row.expiry,
    )


def _catalogue(rows: Sequence[CatalogueRow]) -> Catalogue:
    if any(row.domain is not None for row in rows):
        raise ConfigurationError(
            "a catalogue row names a domain of its own; this version seals all fields of a record "
            "in its signing key's domain, so leave the column empty"
        )
    return Catalogue.from_rows(rows)


async def _open_log(connection: Connection, identity: Identity, tenant: str) -> LogRef:
    origin = identity.origin(tenant)
    verifier = await asyncio.to_thread(identity.log_verifier, tenant)
    log_id = await keys.ensure_log(connection, tenant, origin, verifier.vkey)
    return LogRef(log_id, tenant, origin)


def _access_domains(
    domains: Collection[tuple[str, str]] | None, scopes: KeyScopes | None, tenants: Collection[str]
) -> set[tuple[str, str]] | None:
    """Where looks at these domains are logged; a look that showed nothing is logged by the platform."""
    if domains is None and scopes is None:
        return None
    wanted = tenants if domains is None else {tenant for tenant, _ in domains}
    if scopes is not None:
        wanted = [tenant for tenant in wanted if scopes.covers_tenant(tenant)]
    return {(tenant, ACCESS_DOMAIN) for tenant in [*wanted, PLATFORM_TENANT]}


def _open(stored: Sequence[TierKeyRecord], provider: KeyProvider, tier_keys: TierKeys, access_keys: TierKeys) -> None:
    for record in stored:
        (access_keys if record.scope.domain == ACCESS_DOMAIN else tier_keys).add(record, provider)


async def _stored_tier_keys(
    connection: Connection,
    provider: KeyProvider,
    owners: Collection[tuple[str, str]],
    tier_keys: TierKeys,
    access_keys: TierKeys,
) -> list[TierKeyRecord]:
    """Every stored tier key, after making those that are missing and may be held."""
    stored = await keys.list_tier_keys(connection)
    present = {(record.scope.tenant, record.scope.domain, record.scope.tier) for record in stored}
    suites = _suites(stored)
    tiers = range(1, MAX_TIER + 1)
    wanted = [Scope(tenant, domain, tier, 1, suites[tenant]) for tenant, domain in sorted(owners) for tier in tiers]
    wanted = [each for each in wanted if tier_keys.covers(each.tenant, each.domain, each.tier)]
    access = [
        Scope(tenant, ACCESS_DOMAIN, ACCESS_TIER, 1, suites[tenant])
        for tenant in sorted({tenant for tenant, _ in owners})
    ]
    wanted += [each for each in access if access_keys.covers(each.tenant, each.domain, each.tier)]
    missing = [scope for scope in wanted if (scope.tenant, scope.domain, scope.tier) not in present]
    if not missing:
        return stored
    made = await asyncio.to_thread(lambda: [new_tier_key(scope, provider, os.urandom) for scope in missing])
    await keys.insert_tier_keys(connection, made)
    return await keys.list_tier_keys(connection)


def _suites(stored: Sequence[TierKeyRecord]) -> Mapping[str, Suite]:
    """What each tenant asked for: the suite of its newest access key, which every tenant has; before, the default."""
    access = sorted((each.scope for each in stored if each.scope.domain == ACCESS_DOMAIN), key=lambda each: each.epoch)
    return defaultdict(lambda: Suite.AES, {scope.tenant: scope.suite for scope in access})
