"""Run an audit with what this installation trusts: its keyring, never the database's word."""

from collections.abc import Callable

from agents.audit import AuditContext, VerifyReport, verify_audit
from agents.audit.contents import Observer
from agents.audit.verify import CHECKPOINT_PATIENCE
from agents.platform import load_registry, load_tier_keys
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity
from security.key_provider import MAX_TIER


async def audit(
    settings: Settings,
    *,
    tier: int = MAX_TIER,
    observe: Observer = lambda leaf, fields: None,
    progress: Callable[[int], None] = lambda checked: None,
    patience: float = CHECKPOINT_PATIENCE,
) -> VerifyReport:
    """Recompute every log, its contents up to a tier, and the stored progress.

    Args:
        settings: Name the database and the keyring.
        tier: Fields above it are not opened, only counted.
        observe: Is shown every leaf with what it commits to.
        progress: Told how many leaves of a log have been checked.
        patience: Seconds that a sequencer at work gets to sign a checkpoint over what was just placed.
    """
    identity = open_identity(settings)
    async with (
        connected(settings, "audit", connections=1) as database,
        database.session() as connection,
    ):
        tier_keys, failures = await load_tier_keys(connection, identity.keyring, tier)
        context = AuditContext(
            authority=identity.authority(),
            verifier_for=lambda row: identity.log_signer(row.tenant).verifier,
            registry=await load_registry(connection),
            tier_keys=tier_keys,
            max_tier=tier,
            observe=observe,
            patience=patience,
        )
        report = await verify_audit(connection, context, progress)
    for failure in failures:
        report.add("table tier_keys", str(failure))
    return report
