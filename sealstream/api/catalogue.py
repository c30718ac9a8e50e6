"""Routes of the catalogue: how the fields of each kind of record are kept."""

from fastapi import APIRouter
from pydantic import BaseModel

from agents.access.reach import tenant_reach
from schemas.catalogue import ANY_TENANT
from sealstream.api.authentication import PartsOf, Who

router = APIRouter(prefix="/v1", tags=["catalogue"])


class CatalogueField(BaseModel):
    """A field.

    Attributes:
        tenant: `*` for everybody who has no entry of their own.
        search: How its values are normalised for search; none when they are not searched.
        sharing: `unconditional`, `conditional` or `not_shared`; what that means, policies say.
    """

    tenant: str
    kind: str
    field: str
    tier: int
    search: str | None
    sharing: str


class CatalogueFields(BaseModel):
    """Fields by kind and name."""

    data: list[CatalogueField]


@router.get("/catalogue", operation_id="listCatalogue")
async def catalogue(who: Who, parts: PartsOf) -> CatalogueFields:
    """The fields that your organisation's records may have; everybody's for those who look after all."""
    rows = await parts.known.catalogue()
    theirs = tenant_reach(who)
    shown = sorted(
        (row.record_type, row.field, row.tenant, row.tier, row.search or "", row.sharing)
        for row in rows
        if theirs is None or row.tenant in (ANY_TENANT, theirs)
    )
    return CatalogueFields(
        data=[
            CatalogueField(tenant=tenant, kind=kind, field=name, tier=tier, search=search or None, sharing=sharing)
            for kind, name, tenant, tier, search, sharing in shown
        ]
    )
