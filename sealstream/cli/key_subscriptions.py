"""`sealstream keys subscribe|unsubscribe`: keys from a producer's JWK Set, fetched again and again."""

from pathlib import Path
from typing import Annotated

import typer

from sealstream.cli.key_registration import Actor, Domain, SignsAs, SignsWith, Sources, Tenant
from sealstream.people.author import Author


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(subscribe)
    app.command()(unsubscribe)


def subscribe(
    url: str,
    tenant: Tenant,
    domain: Domain,
    source: Sources,
    pin: Annotated[list[str] | None, typer.Option(help="sha256/… of a public key that the server may have")] = None,
    ca: Annotated[Path | None, typer.Option(help="PEM; whom we trust to name the server; default the system's")] = None,
    every_minutes: Annotated[int, typer.Option(min=1, max=1_440, help="How often it is asked, at least")] = 15,
    keep_hours: Annotated[
        int, typer.Option(min=1, max=8_760, help="How long its keys count while it gives no good answer")
    ] = 168,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Register the keys of a JWK Set for sources, and follow it: what it adds counts, what it takes away does not."""
    import asyncio
    import datetime as dt

    from agents.keys.subscription import read_set
    from sealstream.cli.registrar import with_registrar
    from sealstream.key_files import read_bounded
    from streams.jwks_endpoint import check_endpoint, fetch_jwks
    from streams.storage.subscriptions import SubscriptionRow

    trusted = None if ca is None else read_bounded(ca).decode("ascii", "replace")
    pins = tuple(pin or ())
    check_endpoint(url, pins, trusted)
    found = read_set(asyncio.run(fetch_jwks(url, pins=pins, ca=trusted)).body or b"")
    now = dt.datetime.now(dt.UTC)
    row = SubscriptionRow(
        url=url,
        tenant=tenant,
        domain=domain,
        sources=source,
        pins=list(pins),
        ca=trusted,
        every=dt.timedelta(minutes=every_minutes),
        keep=dt.timedelta(hours=keep_hours),
        mac=b"",
        good_at=now,
        next_at=now,
    )
    with_registrar(Author(actor, by, key), lambda registrar: registrar.subscribe(row), topics_of=tenant)
    typer.echo(f"{url} is followed by the role sequence; it names {len(found.keys)} keys now")


def unsubscribe(url: str, actor: Actor = None, by: SignsAs = None, key: SignsWith = None) -> None:
    """Follow a JWK Set no more; the keys that came from it count no more either."""
    from sealstream.cli.registrar import with_registrar

    rows = with_registrar(Author(actor, by, key), lambda registrar: registrar.unsubscribe(url))
    typer.echo(f"{url} is not followed any more; {len(rows)} keys count no more")
