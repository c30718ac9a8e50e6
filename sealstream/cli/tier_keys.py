"""`sealstream keys tiers|rotate-tier|rewrap|shred|reseal|rotate-index`: the keys of fields, sealed and searched."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sealstream.cli.key_registration import Actor, SignsAs, SignsWith
from sealstream.people.author import Author
from security.suites import Suite

if TYPE_CHECKING:
    from agents.keys.custodian import Custodian
    from agents.platform.identity import Identity
    from agents.platform.warrant import Warrant
    from security.tier_keys import TierKeyRecord
    from streams.storage.database import Database

Maker = TypeVar("Maker")
T = TypeVar("T")

Tenant = Annotated[str, typer.Argument(help="The organisation whose data the keys cover")]
Domain = Annotated[str | None, typer.Option(help="Only this department; `_access` are the lists of who was shown what")]
Tier = Annotated[int | None, typer.Option(min=1, max=5, help="Only this tier")]
Json = Annotated[bool, typer.Option("--json", help="One object a line")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(tiers)
    app.command("rotate-tier")(rotate_tier)
    app.command()(rewrap)
    app.command()(shred)
    app.command()(reseal)
    app.command("rotate-index")(rotate_index)


def tiers(json: Json = False) -> None:
    """List tier keys: scope, epoch, and the provider's key that wraps each. The highest epoch seals."""
    _show(_with_custodian(None, lambda custodian: custodian.tier_keys()), json)


def rotate_tier(
    tenant: Tenant,
    domain: Domain = None,
    tier: Tier = None,
    suite: Annotated[
        Suite | None, typer.Option(help="Seal with other algorithms from now on; the whole tenant")
    ] = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Begin a new epoch: a new key of the provider seals from now on; what former epochs sealed stays readable."""
    from agents.keys.custodian import ScopeFilter

    which = ScopeFilter(tenant, domain, tier)
    _show(_with_custodian(Author(actor, by, key), lambda custodian: custodian.rotate(which, suite)), False)


def rewrap(
    tenant: Tenant,
    domain: Domain = None,
    tier: Tier = None,
    retire: Annotated[
        bool,
        typer.Option("--retire", help="Destroy the provider's former keys: backups from before then open nothing"),
    ] = False,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Wrap tier keys, of all epochs, under new keys of the provider; no record is touched."""
    from agents.keys.custodian import ScopeFilter

    which = ScopeFilter(tenant, domain, tier)
    _show(_with_custodian(Author(actor, by, key), lambda custodian: custodian.rewrap(which, retire=retire)), False)


def shred(
    tenant: Tenant,
    domain: Domain = None,
    tier: Tier = None,
    epoch: Annotated[int | None, typer.Option(min=1, help="Which epoch; `keys tiers` lists them")] = None,
    all_epochs: Annotated[bool, typer.Option("--all", help="Every epoch up to now")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Destroy the provider's keys: nothing opens what they covered any more, in no backup; the log still verifies."""
    from agents.keys.custodian import ScopeFilter

    if all_epochs == (epoch is not None):
        raise typer.BadParameter("give --epoch N or --all")
    which, author = ScopeFilter(tenant, domain, tier), Author(actor, by, key)
    meant = "all epochs" if epoch is None else f"epoch {epoch}"
    if not yes:
        scope = f"tenant {tenant}, {domain or 'all domains'}, {f'tier {tier}' if tier else 'all tiers'}"
        typer.confirm(f"destroy {meant} of {scope} for good?", abort=True, err=True)
    _show(_with_custodian(author, lambda custodian: custodian.shred(which, epoch)), False)


def reseal(
    tenant: Tenant,
    domain: Domain = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
    json: Json = False,
) -> None:
    """Seal what former epochs sealed under the current one, beside running workers; interrupted, it goes on there.

    Exit 1 if a row does not open: it is left as it is.
    """
    from agents.keys.custodian import ScopeFilter
    from agents.upkeep.resealing import Resealer
    from sealstream.cli.output import emit
    from streams.storage.resealing import ResealProgress

    def tell(progress: ResealProgress) -> None:
        place = f"commit {progress.after_commit} of {progress.end_commit}"
        typer.echo(f"{progress.domain}: {progress.sealed_rows} rows, {place}", err=True)

    done = _made(
        "reseal",
        Author(actor, by, key),
        lambda database, identity, actor, warrant: Resealer(
            database, identity, actor=actor, warrant=warrant, tell=tell
        ),
        lambda resealer: resealer.reseal(ScopeFilter(tenant, domain)),
    )
    for name, rows in done.rows.items():
        emit({"tenant": tenant, "domain": name, "sealed_rows": rows}, json)
    for where in done.broken:
        typer.echo(f"WRONG {where}", err=True)
    if done.broken:
        raise typer.Exit(1)


def rotate_index(
    tenant: Tenant,
    field: Annotated[str, typer.Argument(help="The searchable field")],
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
    json: Json = False,
) -> None:
    """Rotate the key of a field's blind terms, beside running workers and searches; interrupted, it goes on there.

    Exit 1 if a row does not open: its term stays as it is.
    """
    from agents.upkeep.reindexing import Reindexer
    from sealstream.cli.output import emit
    from streams.storage.index_keys import IndexRotation

    def tell(rotation: IndexRotation) -> None:
        place = f"commit {rotation.after_commit} of {rotation.end_commit}"
        typer.echo(f"{field}: {rotation.exchanged} terms, {place}", err=True)

    done = _made(
        "rotate-index",
        Author(actor, by, key),
        lambda database, identity, actor, warrant: Reindexer(
            database, identity, actor=actor, warrant=warrant, tell=tell
        ),
        lambda reindexer: reindexer.rotate(tenant, field),
    )
    rotation = done.rotation
    emit({"tenant": tenant, "field": field, "version": rotation.version, "terms": rotation.exchanged}, json)
    for where in done.broken:
        typer.echo(f"WRONG {where}", err=True)
    if done.broken:
        raise typer.Exit(1)


def _show(records: "list[TierKeyRecord]", as_json: bool) -> None:
    from sealstream.cli.output import emit

    for record in records:
        scope = record.scope
        emit(
            {
                "tenant": scope.tenant,
                "domain": scope.domain,
                "tier": scope.tier,
                "epoch": scope.epoch,
                "key": record.key_id,
                "suite": scope.suite.value,
                "wrapped_by": record.wrapped.kek_id,
                "shredded": record.shredded or None,
            },
            as_json,
        )


def _with_custodian(author: Author | None, work: "Callable[[Custodian], Awaitable[T]]") -> T:
    from agents.keys.custodian import Custodian

    return _made(
        "keys",
        author or Author(),
        lambda database, identity, actor, warrant: Custodian(database, identity, actor=actor, warrant=warrant),
        work,
    )


def _made(
    session: str,
    author: Author,
    maker: "Callable[[Database, Identity, str | None, Warrant | None], Maker]",
    work: "Callable[[Maker], Awaitable[T]]",
) -> T:
    """Make one change.

    Args:
        session: Names the database session.
    """
    from sealstream.attachment import attached_settings
    from sealstream.people.signed_changes import make_change, must_be_signed
    from sealstream.wiring import connected, open_identity

    async def run() -> T:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, session, connections=2) as database:
            return await make_change(
                author,
                identity,
                lambda actor, warrant: maker(database, identity, actor, warrant),
                work,
                signed=must_be_signed(settings),
            )

    return asyncio.run(run())
