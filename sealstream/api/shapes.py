"""Forms that several routers share: names in addresses, limits of lists, pages of records."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from agents.opening.seen import SeenRecord
from sealstream.api.cursors import MAX_CURSOR
from security.access.decision import FieldState

# What these allow can stand in a statement: no NUL, no control character, no surrogate.
NAME_FORM = "^[A-Za-z0-9_.:@/+-]{1,200}$"
TENANT_FORM = "^[a-z0-9][a-z0-9-]{0,62}$"

TenantName = Annotated[str, Path(pattern=TENANT_FORM, description="An organisation")]
OneTenant = Annotated[str | None, Query(pattern=TENANT_FORM, description="Only this organisation's")]
Limit = Annotated[int, Query(ge=1, le=1000)]
PageLimit = Annotated[int, Query(ge=1, le=200)]
CursorText = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="`next` of the page before; good for this list alone")
]
PURPOSE_FORM = "^[a-z][a-z0-9_-]{0,63}$"
Purpose = Annotated[str, Query(pattern=PURPOSE_FORM, description="What for; policies decide by it")]
PurposeText = Annotated[str, Field(pattern=PURPOSE_FORM, description="What for; policies decide by it")]


class Body(BaseModel):
    """A request's body: what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldView(BaseModel):
    """A field as you may see it.

    Attributes:
        value: Of one that is open or masked.
    """

    state: FieldState
    tier: int
    value: str | None = None


class RecordView(BaseModel):
    """A record as you may see it."""

    record: UUID
    message: UUID
    tenant: str
    domain: str
    type: str
    source: str | None
    outcome: str
    note: str | None
    linked: UUID | None
    received: dt.datetime
    fields: dict[str, FieldView]


class Records(BaseModel):
    """Records.

    Attributes:
        next: Where the list goes on; none at its end.
    """

    data: list[RecordView]
    next: str | None = None


def records_response(seen: Sequence[SeenRecord], cursor: str | None = None) -> Response:
    """Records in the form of `Records`.

    The description has pydantic's model; making a thousand objects of it for a page costs more than opening its fields.
    """
    return Response(msgspec.json.encode({"data": seen, "next": cursor}), media_type="application/json")


class SearchBody(Body):
    """What is searched for. It stands in the body, since addresses end up in logs."""

    field: str = Field(pattern=NAME_FORM)
    value: str = Field(min_length=1, max_length=1_000)
    purpose: str = Field(pattern="^[a-z][a-z0-9_-]{0,63}$")
    limit: int = Field(20, ge=1, le=200)
