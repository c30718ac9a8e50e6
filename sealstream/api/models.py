"""Routes of models: registered versions and how they did."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from agents.inference.evaluation import decode_evaluations
from agents.inference.model_store import manifest_of
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.etags import tagged
from sealstream.api.problems import not_found
from security.access.principal import Action, Principal, Role
from streams.storage.models import ModelRow, list_models

router = APIRouter(prefix="/v1", tags=["models"])

Looking = Annotated[Principal, permitted(Action.READ, Role.OPERATOR, Role.ADMINISTRATOR, Role.AUDITOR)]
Word = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$")]


class Model(BaseModel):
    """A version of a model.

    Attributes:
        share: Percent of the records that it answers as a candidate.
        scores: By data set.
    """

    name: str
    version: str
    digest: str
    stage: str
    share: int
    shadow: bool
    follows: str | None
    scores: dict[str, float]


class Models(BaseModel):
    """Registered versions; none while the shipped models alone are in force."""

    data: list[Model]


class ModelDetail(Model):
    """One, with its manifest, card and evaluations."""

    manifest: dict[str, Any]
    labels: list[str]
    card: str
    evaluations: dict[str, Any]


@router.get("/models", operation_id="listModels")
async def models(_: Looking, parts: PartsOf) -> Models:
    """Every registered version, in the order they were added."""
    async with parts.database.session(clean=True) as connection:
        return Models(data=[Model(**_members(row)) for row in await list_models(connection)])


@router.get(
    "/models/{name}/{version}",
    operation_id="showModel",
    response_model=ModelDetail,
    responses={304: {"description": "You have it"}},
)
async def model(request: Request, _: Looking, parts: PartsOf, name: Word, version: Word) -> Response:
    """One version."""
    async with parts.database.session(clean=True) as connection:
        rows = await list_models(connection)
    row = next((row for row in rows if (row.name, row.version) == (name, version)), None)
    if row is None:
        raise not_found("there is no such version of a model")
    detail = ModelDetail(
        **_members(row),
        manifest=msgspec.json.decode(row.manifest),
        labels=list(manifest_of(row).labels),
        card=row.card,
        evaluations=msgspec.to_builtins(decode_evaluations(row.metrics)),
    )
    return tagged(request, detail.model_dump_json().encode(), {"Content-Type": "application/json"})


def _members(row: ModelRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "version": row.version,
        "digest": row.digest,
        "stage": row.stage,
        "share": row.share,
        "shadow": row.shadow,
        "follows": row.follows,
        "scores": {name: each.score for name, each in decode_evaluations(row.metrics).items()},
    }
