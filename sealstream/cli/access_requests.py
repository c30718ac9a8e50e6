"""`sealstream access request|approve|refuse|delegate|revoke|requests`: each signed by a person's own key file."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.access.keeper import KeptRequest
    from sealstream.people.access import AccessParts
    from security.access.approval import Standing

By = Annotated[str, typer.Option("--as", help="Id of the person who acts")]
Key = Annotated[
    str,
    typer.Option(
        metavar="FILE|PKCS11-URI",
        help="Their private key, which stays where it is: a file (JWK, mode 0600), or a URI as pkcs11:token=T;object=K?"
        "module-path=/lib.so&pin-source=file:/pin (RFC 7512)",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One object a line")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (request, approve, refuse, delegate, revoke, requests):
        app.command()(command)


def request(
    by: By,
    key: Key,
    tenant: Annotated[str, typer.Option(help="Whose records are asked for")],
    domain: Annotated[str, typer.Option(help="Of which department")],
    kind: Annotated[str, typer.Option(help="Of which kind: an event type, or a registered schema")],
    field: Annotated[list[str], typer.Option(help="Which fields; repeatable")],
    purpose: Annotated[str, typer.Option(help="For which it holds")],
    reason: Annotated[str, typer.Option(help="For those who decide")],
    basis: Annotated[str, typer.Option(help="The legal one")],
    level: Annotated[int, typer.Option(min=1, max=3, help="How many steps it takes")],
    record: Annotated[list[UUID] | None, typer.Option(help="Only these records; repeatable")] = None,
    quota: Annotated[int, typer.Option(min=1, help="How many records may be read by it")] = 100,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it holds")] = 30,
    deadline_hours: Annotated[int, typer.Option(min=1, help="Within which it is decided")] = 72,
    step_hours: Annotated[int, typer.Option(min=1, help="After which the exchange authority may take a step")] = 24,
) -> None:
    """Ask for fields above the standing tier; prints the request's id."""
    import asyncio
    import datetime as dt

    from schemas.leaf import AccessChange
    from sealstream.people.access import access_parts, sign_act, timed_request

    async def run() -> str:
        async with access_parts(by) as parts:
            made = timed_request(
                await parts.registrar.person(by),
                lasts=dt.timedelta(days=days),
                decided_within=dt.timedelta(hours=deadline_hours),
                each_step_within=dt.timedelta(hours=step_hours),
                reason=reason,
                purpose=purpose,
                basis=basis,
                level=level,
                provider=(tenant, domain),
                kind=kind,
                fields=tuple(field),
                records=tuple(map(str, record or ())),
                quota=quota,
            )
            change = AccessChange(change="request", digest=made.digest(), level=level, at=made.made)
            await parts.approvals.ask(made, sign_act(key, by, parts.identity.origin(tenant), change))
            return made.id

    typer.echo(asyncio.run(run()))


def approve(name: UUID, by: By, key: Key) -> None:
    """Take the step of a request that is at hand."""
    _act(name, by, key, "approve")


def refuse(
    name: UUID, by: By, key: Key, reason: Annotated[str, typer.Option(help="Why; the log has its digest")]
) -> None:
    """Refuse a request, in the step that is at hand."""
    _act(name, by, key, "refuse", reason=reason)


def delegate(name: UUID, by: By, key: Key, to: Annotated[str, typer.Option(help="Somebody of the same unit")]) -> None:
    """Let somebody of one's unit take the step that is at hand."""
    _act(name, by, key, "delegate", to=to)


def revoke(name: UUID, by: By, key: Key) -> None:
    """End a request or what was approved; it opens nothing from the next look on."""
    _act(name, by, key, "revoke")


def requests(json: Json = False) -> None:
    """List requests, and how they stand."""
    import asyncio
    import datetime as dt

    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts

    async def run() -> "Sequence[KeptRequest]":
        async with access_parts() as parts:
            return (await parts.current()).requests

    now = dt.datetime.now(dt.UTC)
    for kept in asyncio.run(run()):
        asked, standing = kept.request, kept.standing
        emit(
            {
                "request": asked.id,
                "state": standing.state(now),
                "requester": asked.requester,
                "provider": "/".join(asked.provider),
                "kind": asked.kind,
                "fields": list(asked.fields),
                "purpose": asked.purpose,
                "reason": asked.reason,
                "basis": asked.basis,
                "level": asked.level,
                "steps": list(standing.takers),
                "next": standing.next_duty,
                "deadline": asked.deadline,
                "ends": asked.ends,
                "used": kept.used,
                "quota": asked.quota,
            },
            json,
        )


def _act(name: UUID, by: str, key: str, change: str, *, reason: str | None = None, to: str | None = None) -> None:
    import asyncio
    import datetime as dt

    from sealstream.people.access import access_parts

    async def run() -> "Standing":
        async with access_parts(by) as parts:
            return await _signed(parts, name, by, key, change, reason, to)

    typer.echo(f"{name}: {asyncio.run(run()).state(dt.datetime.now(dt.UTC)).value}")


async def _signed(
    parts: "AccessParts", name: UUID, by: str, key: str, change: str, reason: str | None, to: str | None
) -> "Standing":
    from schemas.leaf import AccessChange
    from sealstream.people.access import now_said, sign_act

    standing = (await parts.approvals.find(name)).standing
    asked = standing.request
    said = AccessChange(
        change=change,
        digest=asked.digest(),
        at=now_said(),
        step=None if change == "revoke" else len(standing.takers) + 1,
        reason=None if reason is None else asked.reason_digest(reason),
        to=None if to is None else (await parts.registrar.person(to)).key,
    )
    act = sign_act(key, by, parts.identity.origin(asked.provider[0]), said)
    return await parts.approvals.act(name, act)
