"""Proofs: receipts and single entries of logs as files, and the page on which the browser verifies them itself.

Nothing is verified here. The page's scripts (`static/receipt.js` and what it imports) take a file, from here or from
elsewhere, and the keys that its reader has from elsewhere: what this process says of either counts for nothing.
"""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Response

from agents.reading.receipt import ReceiptMaker
from schemas.receipt import Receipt, encode_receipt
from sealstream.api.problems import Problem, not_found
from sealstream.api.records import RECEIPT_TYPE
from sealstream.api.shapes import TENANT_FORM, Purpose
from sealstream.audit.log_pages import NoSuchPage
from sealstream.console.chinese import proofs as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from security.access.principal import Action, Role

router = pages_router()
_ROLES = (Role.READER, Role.AUDITOR)
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/proofs", "Proofs", frozenset(_ROLES))])

Reading = Annotated[Visit, visiting(Action.READ, *_ROLES)]
TakingReceipts = Annotated[Visit, visiting(Action.RECEIPT, *_ROLES)]
Auditing = Annotated[Visit, visiting(Action.READ, Role.AUDITOR)]

_GivenPurpose = Annotated[str, Query(pattern="^([a-z][a-z0-9_-]{0,63})?$")]
_OneTenant = Annotated[str, Query(pattern=TENANT_FORM)]
_Shard = Annotated[int, Query(ge=0, le=2**31 - 1)]
_Index = Annotated[int, Query(ge=0, le=1 << 62)]
_GivenTenant = Annotated[str, Query(pattern=f"^$|{TENANT_FORM}")]
_GivenIndex = Annotated[int | None, Query(ge=0, le=1 << 62)]


@router.get("/proofs")
async def show(
    visit: Reading,
    record: UUID | None = None,
    tenant: _GivenTenant = "",
    shard: _Shard = 0,
    index: _GivenIndex = None,
    purpose: _GivenPurpose = "",
) -> Response:
    """The page; what a link names is filled in, and fetched when its reader says so."""
    given = {"record": record or "", "tenant": tenant, "shard": shard, "index": "" if index is None else index}
    return visit.page("proofs.html", given=given | {"purpose": purpose}, audits=Role.AUDITOR in visit.who.roles)


@router.get("/proofs/receipt")
async def receipt(visit: TakingReceipts, record: UUID, purpose: Purpose) -> Response:
    """The receipt of a record, with the fields that policies let go out."""
    parts = visit.parts
    knowledge = await parts.known.up_to(0)
    discloser = await parts.desk.discloser(visit.who, purpose)
    maker = ReceiptMaker(parts.database, parts.identity, knowledge, discloser, parts.pages.cache)
    return _file(await maker.make(record), f"receipt-{record}.json")


@router.get("/proofs/entry")
async def entry(visit: Auditing, tenant: _OneTenant, index: _Index, purpose: Purpose, shard: _Shard = 0) -> Response:
    """An entry of a log in the form of a receipt, which discloses nothing."""
    try:
        async with visit.parts.pages.tree(tenant, shard) as tree:
            log_id = tree.row.log_id
    except NoSuchPage:
        raise not_found("there is no such log, or nothing of it is signed yet") from None
    await visit.parts.desk.look_at_logs(visit.who, purpose, f"entry {index}", [log_id])
    async with visit.parts.pages.tree(tenant, shard) as tree:
        if index >= tree.checkpoint.size:
            raise Problem(404, "not_proved", "no signed checkpoint reaches that yet; ask again in a second")
        body = await tree.entry(index)
        (proof,) = await tree.inclusion([index])
        found = Receipt(
            origin=tree.row.origin,
            index=index,
            leaf=body.decode(),
            path=proof.path,
            checkpoint=proof.checkpoint.decode(),
            fields={},
        )
    return _file(found, f"{tenant}-{shard}-{index}.json")


def _file(found: Receipt, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(encode_receipt(found), media_type=RECEIPT_TYPE, headers=headers)
