"""Run an audit with what this installation trusts: its keyring, never the database's word."""

from collections.abc import Callable

from agents.audit import AuditContext, VerifyReport, verify_audit
from agents.audit.contents import Observer
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
) -> VerifyReport:
    """Recompute every log, its contents up to a tier, and the stored progress."""
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
        )
        report = await verify_audit(connection, context, progress)
    for failure in failures:
        report.add("table tier_keys", str(failure))
    return report
