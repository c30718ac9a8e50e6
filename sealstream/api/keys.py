"""Routes of keys: the producers' signing keys, as registered."""

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel

from agents.access.reach import tenant_reach, work_reach
from sealstream.api.authentication import PartsOf, permitted
from security.access.principal import Action, Principal, Role
from streams.storage.keys import list_signing_keys

router = APIRouter(prefix="/v1", tags=["keys"])

Looking = Annotated[Principal, permitted(Action.READ, Role.OPERATOR, Role.ADMINISTRATOR, Role.AUDITOR)]


class Key(BaseModel):
    """A producer's key; public parts alone are registered.

    Attributes:
        state: `registered`, `not yet valid`, `expired` or `revoked`, now.
    """

    key: str
    jwk: dict[str, Any]
    tenant: str
    domain: str
    sources: list[str]
    state: str
    not_before: dt.datetime | None
    not_after: dt.datetime | None
    revoked_at: dt.datetime | None


class Keys(BaseModel):
    """Keys by name."""

    data: list[Key]


@router.get("/keys", operation_id="listKeys")
async def keys(who: Looking, parts: PartsOf) -> Keys:
    """The keys of your organisation, or of all for those who look after all."""
    async with parts.people.session(clean=True, reach=work_reach(who)) as connection:
        rows = await list_signing_keys(connection)
    theirs, now = tenant_reach(who), dt.datetime.now(dt.UTC)
    return Keys(
        data=[
            Key(
                key=row.key_id,
                jwk=row.jwk,
                tenant=row.tenant,
                domain=row.domain,
                sources=row.sources,
                state=row.state(now),
                not_before=row.not_before,
                not_after=row.not_after,
                revoked_at=row.revoked_at,
            )
            for row in rows
            if theirs in (None, row.tenant)
        ]
    )
