"""`sealstream access policies|propose|adopt|explain|diff|replay`: versions of the policies, and what they decide."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealstream.cli.access_requests import By, Json, Key
from sealstream.cli.reader import As, Purpose, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from security.access.explanation import AccessChange, Explanation
    from security.access.look_record import LookRecord
    from streams.storage.policies import PolicyRow

Policies = Annotated[Path, typer.Argument(help="A policy set, in Cedar")]
Purposes = Annotated[list[str] | None, typer.Option("--purpose", help="Stated by the reader; repeatable")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (policies, propose, adopt, explain, diff, replay):
        app.command()(command)


def policies(
    json: Json = False, text: Annotated[int | None, typer.Option(help="Print this version's policies instead")] = None
) -> None:
    """List versions of the policies; without any, what the program ships is in force."""
    import asyncio

    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts
    from security.access.policy_set import default_policies
    from streams.storage.policies import find_policy, list_policies

    async def run() -> "list[PolicyRow]":
        async with access_parts() as parts, parts.database.session() as connection:
            if text:
                return [await find_policy(connection, version=text)]
            return await list_policies(connection)

    if text == 0:
        typer.echo(default_policies())
        return
    for row in asyncio.run(run()):
        if text is not None:
            typer.echo(row.text)
        else:
            emit(
                {
                    "version": row.version,
                    "based_on": row.based_on,
                    "digest": row.digest,
                    "proposer": row.proposer,
                    "adopter": row.adopter,
                },
                json,
            )


def propose(file: Policies, by: By, key: Key) -> None:
    """Propose the next version of the policies; another administrator, of another unit, adopts it."""
    import asyncio

    from agents.access.policy_keeper import policy_act
    from schemas.tenant import PLATFORM_TENANT
    from sealstream.people.access import access_parts, now_said, sign_act

    async def run() -> "PolicyRow":
        async with access_parts(by) as parts:
            text = _read(file)
            change = policy_act("propose", await parts.policies.next_version(), text, now_said())
            return await parts.policies.propose(text, sign_act(key, by, parts.identity.origin(PLATFORM_TENANT), change))

    row = asyncio.run(run())
    typer.echo(f"version {row.version} is proposed; compare it with `sealstream access diff`, then have it adopted")


def adopt(
    version: int, file: Annotated[Path, typer.Argument(help="The policies as you read them")], by: By, key: Key
) -> None:
    """Put a proposed version in force: exactly the policies in the file, which you sign."""
    import asyncio

    from agents.access.policy_keeper import policy_act
    from schemas.tenant import PLATFORM_TENANT
    from sealstream.people.access import access_parts, now_said, sign_act

    async def run() -> None:
        async with access_parts(by) as parts:
            change = policy_act("adopt", version, _read(file), now_said())
            await parts.policies.adopt(sign_act(key, by, parts.identity.origin(PLATFORM_TENANT), change))

    asyncio.run(run())
    typer.echo(f"version {version} is in force")


def explain(
    person: str,
    tenant: Annotated[str, typer.Option(help="Whose record")],
    domain: Annotated[str, typer.Option(help="Of which department")],
    kind: Annotated[str, typer.Option(help="Of which kind")],
    purpose: Annotated[str, typer.Option(help="Which the reader states")],
    source: Annotated[str, typer.Option(help="From which source")] = "",
    level: Annotated[int, typer.Option(min=0, max=3, help="As if an approval of that level covered all fields")] = 0,
    json: Json = False,
) -> None:
    """Say how a person would see a record's fields, and which policies say so."""
    import asyncio
    import datetime as dt

    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts, catalogued_fields
    from security.access.decision import Question
    from security.access.explanation import explain as explained
    from security.access.principal import Action, Method
    from security.access.request import Circumstances, RecordFacts

    async def run() -> "Sequence[Explanation]":
        async with access_parts() as parts:
            access = await parts.current()
            who = (await parts.registrar.person(person)).principal(Method.LOCAL)
            fields = catalogued_fields(await parts.catalogue(), tenant, kind)
            approvals = tuple((each.name, level) for each in fields) if level else ()
            where = Circumstances(purpose=purpose, time=dt.datetime.now(dt.UTC), approvals=approvals)
            facts = RecordFacts(tenant=tenant, domain=domain, source=source, kind=kind)
            return explained(access.decider.policies, Question(who, Action.READ, facts, fields, where))

    for each in asyncio.run(run()):
        emit(
            {
                "field": each.field,
                "state": each.state,
                "because": list(each.policies) or "nothing permits it",
                "considered": list(each.considered),
            },
            json,
        )


def diff(file: Policies, purpose: Purposes = None, json: Json = False) -> None:
    """Say who would gain or lose what by these policies; exit code 1 when anybody would."""
    import asyncio
    import datetime as dt

    from sealstream.cli.output import emit
    from sealstream.people.access import USUAL_PURPOSES, access_parts, population
    from security.access.explanation import difference
    from security.access.policy_set import PolicySet

    async def run() -> "Sequence[AccessChange]":
        async with access_parts() as parts:
            access, catalogue = await parts.current(), await parts.catalogue()
            asked = population(
                access, catalogue, await parts.owners(), purpose or USUAL_PURPOSES, dt.datetime.now(dt.UTC)
            )
            return difference(access.decider.policies, PolicySet.parse(_read(file)), asked)

    changes = asyncio.run(run())
    for each in changes:
        about = each.question
        emit(
            {
                "person": about.principal.person,
                "change": "gains" if each.gains else "loses",
                "field": each.field,
                "before": each.before,
                "after": each.after,
                "record": f"{about.facts.tenant}/{about.facts.domain}",
                "kind": about.facts.kind,
                "source": about.facts.source,
                "purpose": about.circumstances.purpose,
                "approval": max((level for _, level in about.circumstances.approvals), default=0),
                "policies": list(each.policies),
            },
            json,
        )
    if changes:
        raise typer.Exit(1)


def replay(
    record: Annotated[Path | None, typer.Argument(help="Offline: a look's decisions, as committed to")] = None,
    salt: Annotated[str, typer.Option(help="Their salt, hex")] = "",
    commitment: Annotated[str, typer.Option(help="What the leaf says of them (`decision`), hex")] = "",
    policy_file: Annotated[
        Path | None, typer.Option("--policies", help="The policies of the digest that the leaf names")
    ] = None,
    index: Annotated[int | None, typer.Option(min=0, help="Or a look in the log: its place")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose log that is")] = None,
    out: Annotated[Path | None, typer.Option(help="Write what it committed to here, to replay it offline")] = None,
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """Make the decisions of a look again: see that they are the committed ones, and what its policies say."""
    if (record is None) is (index is None) or (index is None) is not (tenant is None):
        raise typer.BadParameter("name a file, or a look by --index and --tenant")
    if index is not None and tenant is not None:
        import asyncio

        from sealstream.audit.access_replay import replay_look_at
        from sealstream.people.principals import Said

        found = asyncio.run(replay_look_at(tenant, index, Said(person, purpose, tier)))
        if out is not None:
            out.write_bytes(found.body)
            typer.echo(f"--salt {found.salt.hex()} --commitment {found.commitment.hex()}", err=True)
        _show_look(found.record, json)
        return
    from security.access.look_record import replay_look
    from security.access.policy_set import PolicySet

    if record is None or policy_file is None:
        raise typer.BadParameter("name the policies with --policies")
    try:
        given = bytes.fromhex(salt), bytes.fromhex(commitment)
    except ValueError:
        raise typer.BadParameter("salt and commitment are hex") from None
    _show_look(replay_look(_read(record).encode(), *given, PolicySet.parse(_read(policy_file))), json)


def _show_look(look: "LookRecord", as_json: bool) -> None:
    from sealstream.cli.output import emit

    emit(
        {
            "person": look.person,
            "asked": look.asked,
            "purpose": look.purpose,
            "policies": look.version,
            "decisions": len(look.decisions),
            "records": [name for name, _ in look.records],
            "verdict": "as the policies say",
        },
        as_json,
    )
    for each in look.decisions:
        emit(
            {
                "action": each.action,
                "time": each.time,
                "kind": each.record[3],
                "approvals": dict(each.approvals),
                "fields": {name: state for name, (state, _) in sorted(each.answer.items())},
            },
            as_json,
        )


def _read(file: Path) -> str:
    from schemas.errors import ConfigurationError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"can't read {file}: {type(exc).__name__}") from exc
