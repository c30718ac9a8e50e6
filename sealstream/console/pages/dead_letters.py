"""Dead letters: what was refused and why, its content where policies open it, and taking it in again."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Response

from agents.access.reach import tenant_reach, work_reach
from agents.opening.reading import DeadLetterView
from schemas.reasons import Reason
from sealstream.api.dead_letters import replayed, see_theirs
from sealstream.api.shapes import PageLimit, Purpose
from sealstream.console.chinese import dead_letters as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from security.access.principal import Action, Role
from streams.storage.reading import StoredDeadLetter, list_dead_letters

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/dead-letters", "Dead letters", frozenset({Role.OPERATOR}))])

Operating = Annotated[Visit, visiting(Action.READ, Role.OPERATOR)]
Replaying = Annotated[Visit, visiting(Action.REPLAY, Role.OPERATOR)]

# A form sends the choice "all" as an empty field.
_Reason = Annotated[str, Query(pattern=f"^({'|'.join(Reason)})?$")]
_AT_ONCE: Final = 200


@router.get("/dead-letters")
async def list_letters(visit: Operating, reason: _Reason = "", limit: PageLimit = 50) -> Response:
    """Dead letters without their content, the newest first."""
    return await _list(visit, reason, limit)


@router.get("/dead-letters/{letter}")
async def show_letter(visit: Operating, letter: UUID, purpose: Annotated[Purpose | None, Query()] = None) -> Response:
    """One; with its content where a purpose is stated and policies open it, which is a look in the log."""
    (stored,) = await see_theirs(visit.parts, visit.who, [letter])
    if purpose is None:
        return visit.page("dead_letter.html", letter=stored, view=None, purpose="")
    discloser = await visit.parts.desk.discloser(visit.who, purpose)
    view = await discloser.show_dead_letter(letter) or DeadLetterView(stored, "sealed")
    return visit.page("dead_letter.html", letter=stored, view=view, purpose=purpose)


@router.post("/dead-letters/replay")
async def replay(visit: Replaying) -> Response:
    """Take in again those that were chosen, and say what became of each."""
    chosen = _chosen(visit)
    if not 0 < len(chosen) <= _AT_ONCE:
        error = "choose dead letters first, 200 at most at once"
        return await _list(visit, "", _AT_ONCE, status=422, error=error)
    return visit.page("dead_letters_replayed.html", outcomes=await replayed(visit.parts, visit.who, chosen))


def _chosen(visit: Visit) -> Sequence[UUID]:
    try:
        # Each once: a second try of the same would be another replay.
        return list(dict.fromkeys(UUID(each) for each in visit.form.all("letter")))
    except ValueError:
        return ()


async def _list(visit: Visit, reason: str, limit: int, *, status: int = 200, error: str | None = None) -> Response:
    async with visit.parts.people.session(reach=work_reach(visit.who)) as connection:
        letters: list[StoredDeadLetter] = await list_dead_letters(
            connection, reason=reason or None, limit=limit, tenant=tenant_reach(visit.who)
        )
    return visit.page(
        "dead_letters.html",
        status=status,
        error=error,
        letters=letters,
        reason=reason,
        reasons=list(Reason),
        limit=limit,
        may_replay=visit.may(Action.REPLAY, Role.OPERATOR),
    )
