"""Routes of records: lists, single ones, search, receipts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from agents.reading.receipt import ReceiptMaker
from schemas.receipt import encode_receipt
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.problems import not_found
from sealstream.api.shapes import CursorText, OneTenant, PageLimit, Purpose, Records, SearchBody, records_response
from security.access.principal import Action, Principal, Role

router = APIRouter(prefix="/v1", tags=["records"])

_ROLES = (Role.READER, Role.AUDITOR)
Reading = Annotated[Principal, permitted(Action.READ, *_ROLES)]
Searching = Annotated[Principal, permitted(Action.SEARCH, *_ROLES)]
TakingReceipts = Annotated[Principal, permitted(Action.RECEIPT, *_ROLES)]

RECEIPT_TYPE = "application/vnd.sealstream.receipt+json"


@router.get("/records", operation_id="listRecords", response_model=Records)
async def list_records(
    who: Reading,
    parts: PartsOf,
    purpose: Purpose,
    tenant: OneTenant = None,
    limit: PageLimit = 20,
    cursor: CursorText = None,
) -> Response:
    """The newest records; each page is one look in the log."""
    bound = ("records", who.person, purpose, tenant or "")
    after = parts.cursors.read(cursor, *bound)
    page = await parts.desk.list(who, purpose, tenant=tenant, after=after, limit=limit)
    return records_response(page.records, parts.cursors.text(page.next, *bound))


@router.post("/records/search", operation_id="searchRecords", response_model=Records)
async def search_records(who: Searching, parts: PartsOf, body: SearchBody) -> Response:
    """Records whose searchable field has exactly this value, after normalisation, by its blind term."""
    return records_response(await parts.desk.search(who, body.purpose, body.field, body.value, limit=body.limit))


@router.get("/records/{record}", operation_id="showRecord", response_model=Records)
async def show_record(who: Reading, parts: PartsOf, record: UUID, purpose: Purpose) -> Response:
    """The record of that id, or the records of the message of that id."""
    found = await parts.desk.show(who, purpose, record)
    if not found:
        raise not_found()
    return records_response(found)


@router.get(
    "/records/{record}/receipt",
    operation_id="makeReceipt",
    response_class=Response,
    responses={200: {"content": {RECEIPT_TYPE: {}}}},
)
async def make_receipt(
    who: TakingReceipts,
    parts: PartsOf,
    record: UUID,
    purpose: Purpose,
    field: Annotated[
        list[str] | None, Query(max_length=64, description="Only these fields; all that you may open otherwise")
    ] = None,
    message: Annotated[bool, Query(description="With the message as it was received")] = False,
) -> Response:
    """The receipt: the leaf, its proof, and the fields that policies let go out whole; checked offline."""
    knowledge = await parts.known.up_to(0)
    discloser = await parts.desk.discloser(who, purpose)
    maker = ReceiptMaker(parts.database, parts.identity, knowledge, discloser, parts.pages.cache)
    receipt = await maker.make(record, fields=field, evidence=message)
    return Response(encode_receipt(receipt), media_type=RECEIPT_TYPE)
