"""`sealstream audit entries|evidence|looks`: the log as an auditor reads it, hands it on, and who saw what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from sealstream.cli.moments import moment
from sealstream.cli.reader import As, Purpose, Tier

if TYPE_CHECKING:
    from agents.log.entries import Entry, Question
    from sealstream.audit.log_reading import FoundLook

Json = Annotated[bool, typer.Option("--json", help="One object a line")]
Tenant = Annotated[str | None, typer.Option(help="Only this organisation's log")]
Since = Annotated[str | None, typer.Option(help="From this moment on: 2026-03-01, or 2026-03-01T08:00:00Z")]
Until = Annotated[str | None, typer.Option(help="Before this moment")]
Record = Annotated[UUID | None, typer.Option(help="A record, message or dead letter: what is said about it")]
Source = Annotated[str | None, typer.Option(help="CloudEvents source")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Kind of leaf, as result or rejected; repeatable")]
Model = Annotated[str | None, typer.Option(help="What decided: name, name@version, or SHA-256")]
Signer = Annotated[str | None, typer.Option(help="Key id of the producer")]
Type = Annotated[str | None, typer.Option(help="CloudEvents type")]
Actor = Annotated[str | None, typer.Option(help="Who acted, by name; the log itself holds pseudonyms")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(entries)
    app.command()(evidence)
    app.command()(looks)


def entries(
    tenant: Tenant = None,
    record: Record = None,
    source: Source = None,
    signer: Signer = None,
    actor: Actor = None,
    kind: Kinds = None,
    model: Model = None,
    type: Type = None,  # noqa: A002 the option's name
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="No more than so many")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a table, .csv or .parquet, with a proof in each row")] = None,
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """Find entries of the log; each is proved to stand under the newest checkpoint before it is shown."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.log_reading import Asked, read_entries
    from sealstream.people.principals import Said

    question = _question(record, source, signer, kind, model, type, since, until)

    def show(origin: str, entry: "Entry") -> None:
        _show_entry(origin, entry, json)

    asked, said = Asked(tenant, actor, question), Said(person, purpose, tier)
    found = asyncio.run(read_entries(attached_settings(), asked, out, limit, show, said))
    if out is not None:
        typer.echo(f"{found} entries in {out}", err=True)
    elif not found:
        typer.echo("no entry of the log is like that", err=True)
        raise typer.Exit(1)


def evidence(
    out: Annotated[Path, typer.Argument(metavar="PACK.zip", dir_okay=False)],
    tenant: Tenant = None,
    record: Record = None,
    source: Source = None,
    signer: Signer = None,
    actor: Actor = None,
    kind: Kinds = None,
    model: Model = None,
    type: Type = None,  # noqa: A002 the option's name
    since: Since = None,
    until: Until = None,
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    fields: Annotated[bool, typer.Option("--fields", help="Disclose every field that the reader may have")] = False,
    messages: Annotated[bool, typer.Option("--messages", help="Add the messages as received, likewise")] = False,
) -> None:
    """Write one archive that answers a question and verifies offline as a whole (`sealstream receipt verify`)."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.evidence import make_pack
    from sealstream.audit.log_reading import Asked
    from sealstream.people.principals import Said

    question = _question(record, source, signer, kind, model, type, since, until)
    asked, said = Asked(tenant, actor, question), Said(person, purpose, tier)
    found = asyncio.run(make_pack(attached_settings(), asked, out, said=said, fields=fields, evidence=messages))
    typer.echo(f"{found} entries in {out}", err=True)


def looks(
    tenant: Tenant = None,
    record: Annotated[UUID | None, typer.Option(help="Who saw this record, or the message it came in")] = None,
    actor: Annotated[str | None, typer.Option(help="What this person saw, by name")] = None,
    known: Annotated[
        list[str] | None, typer.Option(help="Name of somebody who may have looked, to tell a pseudonym by; repeatable")
    ] = None,
    since: Since = None,
    until: Until = None,
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """List who looked at what; asking is a look too, and in the log before the answer."""
    import asyncio

    from agents.log.entries import Question
    from sealstream.attachment import attached_settings
    from sealstream.audit.log_reading import Asked, read_looks
    from sealstream.people.principals import Said

    question = Question(since=_leaf_time(since), until=_leaf_time(until))
    names = [*(known or []), *([actor] if actor is not None else [])]

    def show(found: "FoundLook") -> None:
        _show_look(found, json)

    asked, said = Asked(tenant, actor, question), Said(person, purpose, tier)
    found = asyncio.run(read_looks(attached_settings(), asked, record, names, show, said))
    if not found:
        typer.echo("nobody looked, as far as the newest checkpoints reach", err=True)
        raise typer.Exit(1)


def _question(
    record: UUID | None,
    source: str | None,
    signer: str | None,
    kinds: list[str] | None,
    model: str | None,
    type: str | None,  # noqa: A002 as the option
    since: str | None,
    until: str | None,
) -> "Question":
    from agents.log.entries import Question

    return Question(
        name=str(record) if record is not None else None,
        source=source,
        signer=signer,
        kinds=tuple(kinds or ()),
        model=model,
        type=type,
        since=_leaf_time(since),
        until=_leaf_time(until),
    )


def _leaf_time(text: str | None) -> str | None:
    """A moment as leaves have it."""
    found = moment(text)
    return None if found is None else found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _show_entry(origin: str, entry: "Entry", as_json: bool) -> None:
    import msgspec

    from sealstream.audit.entry_table import MEMBERS
    from sealstream.cli.output import emit
    from security.proof import encode_tlog_proof

    place = {"log": origin, "index": entry.index}
    if as_json:
        leaf = msgspec.Raw(entry.body)
        emit(place | {"leaf": leaf, "proof": encode_tlog_proof(entry.proof).decode()}, as_json)
    else:
        emit(place | {name: getattr(entry.leaf, name) for name in MEMBERS}, as_json)


def _show_look(found: "FoundLook", as_json: bool) -> None:
    from sealstream.cli.output import emit

    leaf, ids = found.look.entry.leaf, found.look.ids
    emit(
        {
            "log": found.origin,
            "index": found.look.entry.index,
            "time": leaf.time,
            "kind": leaf.kind,
            "who": found.who,
            "actor": leaf.actor,
            "basis": leaf.basis,
            "count": leaf.count,
            "records": list(ids) if ids is not None else "<shredded>",
        },
        as_json,
    )
