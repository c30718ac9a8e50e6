"""Models: registered versions, their cards and scores, what versions on trial said. Changing them: model_changes."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Response

from agents.access.warranting import CHANGERS
from agents.inference.evaluation import decode_evaluations
from agents.inference.model_store import manifest_of
from agents.models.trial_report import trial_reports
from sealstream.api.models import Word
from sealstream.api.problems import not_found
from sealstream.console.chinese import models as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from security.access.principal import Action, Role
from streams.storage.models import ModelRow, list_comparisons, list_models

router = pages_router()
_ROLES = (Role.OPERATOR, Role.ADMINISTRATOR, Role.AUDITOR)
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/models", "Models", frozenset(_ROLES))])

Looking = Annotated[Visit, visiting(Action.READ, *_ROLES)]
_PAIRS: Final = 20


@router.get("/models")
async def models(visit: Looking) -> Response:
    """Every registered version."""
    async with visit.parts.database.session(clean=True) as connection:
        rows = await list_models(connection)
    return visit.page("models.html", models=[(row, decode_evaluations(row.metrics)) for row in rows])


@router.get("/models/{name}/{version}")
async def model(visit: Looking, name: Word, version: Word) -> Response:
    """One version: what it is, how it did, and its trials."""
    async with visit.parts.database.session(clean=True) as connection:
        rows, compared = await list_models(connection), await list_comparisons(connection, name)
    row = next((row for row in rows if (row.name, row.version) == (name, version)), None)
    if row is None:
        raise not_found()
    reports = [each for each in trial_reports(compared) if version in (each.active, each.trial)]
    return visit.page(
        "model.html",
        row=row,
        manifest=manifest_of(row),
        evaluations=decode_evaluations(row.metrics),
        reports=reports,
        pairs=_PAIRS,
        possible=_possible(rows, row) if visit.may(Action.APPROVE, *CHANGERS) else (),
    )


def _possible(rows: Sequence[ModelRow], row: ModelRow) -> tuple[str, ...]:
    """What could be done with a version as it stands."""
    if row.stage == "active":
        return ("rollback",) if row.follows or any(each.name == row.name and each.share for each in rows) else ()
    return ("activate", "retire") if row.stage == "candidate" else ("activate",)
