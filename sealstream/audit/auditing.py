"""Run an audit with what this installation trusts: its keyring, never the database's word."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from agents.audit import (
    CHECKPOINT_PATIENCE,
    AuditContext,
    Depth,
    Observer,
    VerifyReport,
    await_checkpoints,
    verify_audit,
    verify_checkpoints,
    verify_trees,
)
from agents.audit.disclosures import load_access_keys, load_tier_keys
from agents.log.held_export import HeldExport
from agents.platform.catalogue_in_force import catalogue_rows, count_unregistered
from agents.platform.vouching import Voucher
from schemas.catalogue import Catalogue
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from sealstream.wiring import connected, known_witnesses, open_identity, timestamp_authorities
from security.key_provider import MAX_TIER
from streams.storage import auditing
from streams.storage.database import Connection, Database
from streams.storage.shards import list_shards

_VERIFY: Final = {Depth.CHECKPOINTS: verify_checkpoints, Depth.TREE: verify_trees, Depth.ROWS: verify_audit}


async def audit(
    settings: Settings,
    *,
    tier: int = MAX_TIER,
    depth: Depth = Depth.ROWS,
    observe: Observer = lambda leaf, fields: None,
    progress: Callable[[int], None] = lambda checked: None,
    patience: float = CHECKPOINT_PATIENCE,
    held: Path | None = None,
    database: Database | None = None,
) -> VerifyReport:
    """Recompute every log, its contents up to a tier, and the stored progress.

    Args:
        settings: Name the database and the keyring.
        tier: Fields above it are not opened, only counted.
        depth: How far it goes; only at the last one are the other arguments of use.
        observe: Is shown every leaf with what it commits to.
        progress: Told how many leaves of a log have been checked.
        patience: Seconds that a sequencer at work gets to sign a checkpoint over what was just placed.
        held: Folder of exports, as `audit export` writes it, with the shards that are held outside the database.
            Without it, a log that has such shards is verified to `tree` only, and what is common to all logs is not
            compared: what the missing leaves say is part of the answer.
        database: The one that the settings name, where somebody has connected to it; new connections cost more than a
            small log's audit.

    Raises:
        VerificationFailed: The folder lacks a shard, or has another log in its place.
    """
    identity = open_identity(settings)
    async with (
        nullcontext(database) if database else connected(settings, "audit", connections=1) as audited,
        audited.session() as connection,
    ):
        async with auditing.snapshot(connection):
            tier_keys, failures = await load_tier_keys(connection, identity.keyring, tier)
            access_keys, access_failures = await load_access_keys(connection, identity.keyring)
            catalogue, catalogue_failures = await _catalogue(connection, Voucher(identity.keyring))
            context = AuditContext(
                authority=identity.authority(),
                verifier_for=lambda row: identity.signer_of(row).verifier,
                catalogue=catalogue,
                provider=identity.keyring,
                tier_keys=tier_keys,
                access_keys=access_keys,
                max_tier=tier,
                is_destroyed=identity.keyring.is_destroyed,
                observe=observe,
                patience=patience,
                witnesses=[verifier for _, verifier in known_witnesses(settings)],
                timestamp_authorities=timestamp_authorities(settings),
            )
            context = await _with_held(connection, context, held)
            report = await _VERIFY[depth](connection, context, progress)
            report.catalogue_unregistered = await count_unregistered(connection)
        await await_checkpoints(connection, context, report)
    for failure in failures + access_failures:
        report.add("table tier_keys", str(failure))
    for problem in catalogue_failures:
        report.add("table catalogue_fields", str(problem))
    return report


async def _with_held(connection: Connection, context: AuditContext, held: Path | None) -> AuditContext:
    """The context with the exports of shards that are held outside; without them, with whose those are."""
    outside = [row for row in await list_shards(connection) if row.is_dropped]
    if held is not None:
        exports = {row.origin: HeldExport.open(held / row.folder, row.origin) for row in outside}
        return replace(context, held=exports)
    return replace(context, outside=frozenset(row.tenant for row in outside))


async def _catalogue(connection: Connection, voucher: Voucher) -> tuple[Catalogue | None, list[ConfigurationError]]:
    """The catalogue as it stands now, or why it can't be read."""
    try:
        return Catalogue.from_rows(await catalogue_rows(connection, voucher)), []
    except ConfigurationError as exc:
        return None, [exc]
