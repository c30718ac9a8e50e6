"""`sealstream produce`: sign a feed and publish it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("produce")(produce)


def produce(
    feed: Annotated[str, typer.Argument(help=".csv .jsonl .xml .sta, a folder of them, or sample:NAME")],
    source: Annotated[str, typer.Option(help="CloudEvents source; the key must be bound to it")],
    key: Annotated[list[str], typer.Option(help="Name of the producer's key; several where the policy wants several")],
    topic: Annotated[str | None, typer.Option(help="Topic; by default the one of each message's type")] = None,
    batch: Annotated[int | None, typer.Option(help="Messages under one signature; each has its own by default")] = None,
    rate: Annotated[float | None, typer.Option(help="Messages a second; full speed when not given")] = None,
    closing: Annotated[
        bool, typer.Option("--closing", help="Sign count, totals and Merkle root of the feed's period at its end")
    ] = False,
    closing_list: Annotated[
        Path | None, typer.Option(help="With --closing: write what it counts here, for `audit completeness --list`")
    ] = None,
) -> None:
    """Sign every message of a feed and publish it; done when the broker has confirmed all."""
    import asyncio
    import math

    from sealstream.attachment import attached_settings
    from sealstream.producing.open_feed import open_feed
    from sealstream.producing.producer_keys import load_producer
    from sealstream.producing.publish import publish
    from sealstream.wiring import keyring_dir, required_kafka
    from security.batch_statement import MAX_BATCH

    if closing_list is not None and not closing:
        raise typer.BadParameter("it is the list of a closing: add --closing", param_hint="--closing-list")
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        raise typer.BadParameter(f"1 to {MAX_BATCH} messages are under one signature", param_hint="--batch")
    if rate is not None and not 0 < rate < math.inf:
        raise typer.BadParameter("a number above 0; leave it out for full speed", param_hint="--rate")
    settings = attached_settings()
    kafka = required_kafka(settings)
    opened = open_feed(feed, topic=topic)
    signer, *cosigners = [load_producer(keyring_dir(settings), name) for name in key]
    with ExitStack() as files:
        listing = files.enter_context(closing_list.open("w")) if closing_list is not None else None
        report = asyncio.run(
            publish(
                opened.items(),
                kafka=kafka,
                source=source,
                signer=signer,
                cosigners=cosigners,
                batch=batch,
                rate=rate,
                closing=closing,
                closing_list=listing,
            )
        )
    for ignored in opened.ignored:
        typer.echo(f"not published: {ignored.name}: {ignored.reason}", err=True)
    typer.echo(f"{report.messages} messages, {report.bytes} bytes, {report.seconds:.1f} s")
