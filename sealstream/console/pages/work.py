"""The work: the stages of a record, live throughput, and what waits."""

import datetime as dt
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Response
from markupsafe import Markup

from agents.access.reach import tenant_reach, work_reach
from sealstream.api.problems import Problem, not_found
from sealstream.api.work import stage_view
from sealstream.console.chart import by_minute, minutes_chart
from sealstream.console.chinese import work as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from sealstream.console.words import WORDS
from security.access.principal import Action, Role
from streams.storage.deferring import lane_depths
from streams.storage.progress import log_lag
from streams.storage.tasks import outcomes_by_minute, stages_of

router = pages_router()
_WATCHERS: Final = (Role.OPERATOR, Role.ADMINISTRATOR, Role.AUDITOR)
PAGE: Final = Page(
    router,
    chinese.TEXTS,
    [Entry("/throughput", "Throughput", frozenset(_WATCHERS)), Entry("/tasks", "Tasks", frozenset(Role))],
)
SPANS: Final = (15, 60, 240)
"""Minutes that the page of throughput offers."""

Looking = Annotated[Visit, visiting(Action.READ, *Role)]
Watching = Annotated[Visit, visiting(Action.READ, *_WATCHERS)]


@router.get("/tasks")
async def ask(visit: Looking, task: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Ask for a record's stages by its id."""
    if not task:
        return visit.page("tasks.html", error=None)
    try:
        name = UUID(task.strip())
    except ValueError:
        return visit.page("tasks.html", status=422, error="that is no id")
    return visit.redirect(f"/tasks/{name}")


@router.get("/tasks/{name}")
async def task(visit: Looking, name: UUID) -> Response:
    """The stages of a record, message or dead letter: no field, so that it is no look."""
    async with visit.parts.people.session(reach=work_reach(visit.who)) as connection:
        stages = await stages_of(connection, name, tenant_reach(visit.who))
    if not stages:
        raise not_found()
    return visit.page("task.html", name=name, tenant=stages[0].tenant, stages=[*map(stage_view, stages)])


@router.get("/throughput")
async def throughput(
    visit: Watching, minutes: Annotated[int, Query(ge=1, le=240)] = 60, live: Annotated[int, Query(ge=0, le=1)] = 1
) -> Response:
    """How many records had which outcome, minute by minute; the page asks again by itself."""
    if minutes not in SPANS:
        raise Problem(422, "invalid_request", "a field has not its form")
    everywhere = tenant_reach(visit.who) is None
    now = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    shown = [now - dt.timedelta(minutes=before) for before in range(minutes - 1, -1, -1)]
    async with visit.parts.people.session(reach=work_reach(visit.who)) as connection:
        found = await outcomes_by_minute(connection, shown[0], tenant_reach(visit.who))
        # How much others have waiting is theirs and the platform's.
        lag = await log_lag(connection) if everywhere else None
        lanes = await lane_depths(connection) if everywhere else ()
    chart = minutes_chart(found, shown, lambda code: visit.text(WORDS.get(code, code)))
    return visit.page(
        "throughput_now.html" if visit.is_fragment else "throughput.html",
        # Of our own making but for the outcomes' names, which the library escapes.
        chart=Markup(chart),  # noqa: S704
        table=by_minute(found),
        outcomes=sorted({outcome for _, outcome, _ in found}),
        lag=lag,
        lanes=lanes,
        minutes=minutes,
        spans=SPANS,
        live=bool(live),
        now=dt.datetime.now(dt.UTC),
    )
