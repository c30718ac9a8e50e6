"""Routes of the logs: tlog-tiles, entries, proofs, evidence packs. For auditors."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated, Any
from uuid import UUID

import anyio
import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from agents.access.response import BASIS
from agents.log.entries import Entry, Question, find_entries
from schemas.errors import ConfigurationError
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.etags import tagged
from sealstream.api.problems import Problem, not_found
from sealstream.api.shapes import NAME_FORM, Body, Limit, PurposeText, TenantName
from sealstream.audit.evidence import pack_entries
from sealstream.audit.log_pages import LogPage, NoSuchPage
from sealstream.audit.log_reading import Asked, question_of
from security.access.principal import Action, Principal, Role
from security.proof import encode_tlog_proof
from streams.storage.log_tree import place_of
from streams.storage.shards import list_shards, shard_at

router = APIRouter(prefix="/v1", tags=["log"])

Auditing = Annotated[Principal, permitted(Action.READ, Role.AUDITOR)]
Exporting = Annotated[Principal, permitted(Action.RECEIPT, Role.AUDITOR)]
Name = Annotated[str | None, Query(pattern=NAME_FORM)]
MOMENT_FORM = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
Moment = Annotated[str | None, Query(pattern=MOMENT_FORM, description="RFC 3339 in UTC with milliseconds")]
Shard = Annotated[int, Query(ge=0, le=2**31 - 1, description="Which shard of the log; 0 is the first")]
_CHUNK = 1 << 16


class LogView(BaseModel):
    """A log, or one of its later shards.

    Attributes:
        shard: Its number; 0 is the first.
    """

    tenant: str
    shard: int
    origin: str
    vkey: str


class Logs(BaseModel):
    """All logs."""

    data: list[LogView]


class EntryView(BaseModel):
    """A leaf that the log holds.

    Attributes:
        leaf: Its members; `body` is what was hashed.
        proof: A C2SP tlog-proof.
    """

    index: int
    leaf: dict[str, Any]
    body: str
    proof: str


class Entries(BaseModel):
    """Leaves in their order.

    Attributes:
        next: `start` of the next page; none when the log has no more.
    """

    origin: str
    data: list[EntryView]
    next: int | None = None


class ProofView(BaseModel):
    """The proof that the log holds a leaf."""

    origin: str
    index: int
    body: str
    proof: str


class EvidenceBody(Body):
    """Which entries a pack is about, as in `entries`, and what goes along."""

    name: UUID | None = None
    source: str | None = None
    signer: str | None = None
    kinds: list[str] = Field([], max_length=32)
    model: str | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None
    purpose: PurposeText = "audit"
    fields: bool = False
    messages: bool = False


@router.get("/logs", operation_id="listLogs")
async def logs(_: Auditing, parts: PartsOf) -> Logs:
    """All logs, shard by shard, and the keys that sign their checkpoints."""
    async with parts.database.session(clean=True) as connection:
        rows = await list_shards(connection)
    found = [(row, await anyio.to_thread.run_sync(parts.identity.verifier_of, row)) for row in rows]
    return Logs(
        data=[LogView(tenant=row.tenant, shard=row.shard, origin=row.origin, vkey=each.vkey) for row, each in found]
    )


@router.get(
    "/logs/{tenant}/checkpoint",
    operation_id="getCheckpoint",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, 304: {"description": "You have it"}},
)
async def checkpoint(request: Request, _: Auditing, parts: PartsOf, tenant: TenantName, shard: Shard = 0) -> Response:
    """The newest checkpoint (C2SP tlog-tiles)."""
    return await _page(request, parts.pages.checkpoint(tenant, shard))


@router.get(
    "/logs/{tenant}/tile/{path:path}",
    operation_id="getTile",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}, 304: {"description": "You have it"}},
)
async def tile(
    request: Request,
    _: Auditing,
    parts: PartsOf,
    tenant: TenantName,
    path: Annotated[str, Path(max_length=200)],
    shard: Shard = 0,
) -> Response:
    """A tile or an entry bundle (C2SP tlog-tiles); it never changes."""
    return await _page(request, parts.pages.tile(tenant, shard, f"tile/{path}"))


@router.get("/logs/{tenant}/entries", operation_id="listEntries")
async def entries(
    _: Auditing,
    parts: PartsOf,
    tenant: TenantName,
    name: Annotated[UUID | None, Query(description="Id of a record, message or dead letter")] = None,
    source: Name = None,
    signer: Name = None,
    actor: Annotated[str | None, Query(pattern=NAME_FORM, description="A person's name, not the pseudonym")] = None,
    kind: Annotated[list[str] | None, Query(max_length=32)] = None,
    model: Name = None,
    type: Name = None,  # noqa: A002 its name in the address
    since: Moment = None,
    until: Moment = None,
    start: Annotated[int, Query(ge=0, le=1 << 62)] = 0,
    limit: Limit = 100,
    shard: Shard = 0,
) -> Entries:
    """The leaves that a question is about, each with its proof under the newest checkpoint."""
    question = Question(
        name=str(name) if name is not None else None,
        source=source,
        signer=signer,
        kinds=tuple(kind or ()),
        model=model,
        type=type,
        since=since,
        until=until,
    )
    question = await anyio.to_thread.run_sync(question_of, parts.identity, tenant, Asked(tenant, actor, question))
    found: list[Entry] = []
    try:
        async with parts.pages.tree(tenant, shard) as tree:
            async for some in find_entries(tree, question, start):
                found += some
                if len(found) > limit:
                    break
    except NoSuchPage:
        raise not_found("there is no such log, or nothing of it is signed yet") from None
    more = found[limit].index if len(found) > limit else None
    return Entries(origin=tree.row.origin, data=[*map(_entry, found[:limit])], next=more)


@router.get("/logs/{tenant}/proof", operation_id="proveLeaf")
async def proof(
    _: Auditing,
    parts: PartsOf,
    tenant: TenantName,
    name: Annotated[UUID | None, Query(description="Id of a record, message or dead letter")] = None,
    index: Annotated[int | None, Query(ge=0, le=1 << 62, description="Or the leaf's index")] = None,
    shard: Shard = 0,
) -> ProofView:
    """The proof that a log holds a leaf, up to the newest checkpoint."""
    if (name is None) == (index is None):
        raise Problem(422, "invalid_request", "name a record or an index")
    try:
        if name is not None:
            shard, index = await _place(parts, tenant, name)
        async with parts.pages.tree(tenant, shard) as tree:
            if index is None or index >= tree.checkpoint.size:
                raise Problem(404, "not_proved", "no signed checkpoint reaches that yet; ask again in a second")
            body = await tree.entry(index)
            (found,) = await tree.inclusion([index])
    except NoSuchPage:
        raise not_found("there is no such log, or nothing of it is signed yet") from None
    return ProofView(origin=tree.row.origin, index=index, body=body.decode(), proof=encode_tlog_proof(found).decode())


@router.post(
    "/logs/{tenant}/evidence",
    operation_id="makeEvidencePack",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
async def evidence(who: Exporting, parts: PartsOf, tenant: TenantName, body: EvidenceBody) -> StreamingResponse:
    """An evidence pack: receipts of all entries that a question is about, and what it takes to judge them offline."""
    question = Question(
        name=str(body.name) if body.name is not None else None,
        **body.model_dump(exclude={"name", "fields", "messages", "purpose"}),
    )
    knowledge = await parts.known.up_to(0)
    reader = await parts.desk.discloser(who, body.purpose)
    # Written whole before the first byte goes out: a pack that breaks off would look like one that was cut.
    folder = tempfile.TemporaryDirectory(prefix="sealstream-evidence-")
    path = FilePath(folder.name) / "pack.zip"
    try:
        await pack_entries(
            parts.database, parts.identity, knowledge, reader, Asked(tenant, None, question), path,
            showing=parts.showing, witnesses=parts.witnesses, reading={"basis": BASIS}, fields=body.fields,
            evidence=body.messages,
        )  # fmt: skip
    except ConfigurationError:
        folder.cleanup()
        raise not_found("no entry of that log is like that") from None
    except BaseException:
        folder.cleanup()
        raise

    async def content() -> AsyncIterator[bytes]:
        try:
            async with await anyio.open_file(path, "rb") as file:
                while chunk := await file.read(_CHUNK):
                    yield chunk
        finally:
            folder.cleanup()

    headers = {"Content-Disposition": 'attachment; filename="evidence.zip"'}
    return StreamingResponse(content(), media_type="application/zip", headers=headers)


async def _place(parts: PartsOf, tenant: str, name: UUID) -> tuple[int, int | None]:
    """Shard and index of the leaf of a record, message or dead letter."""
    async with parts.database.session(clean=True) as connection:
        place = await place_of(connection, name)
        row = await shard_at(connection, place.log_id, place.index or 0) if place is not None else None
    if place is None or row is None or row.tenant != tenant:
        raise not_found()
    return row.shard, place.index - row.start if place.index is not None else None


async def _page(request: Request, making: Any) -> Response:
    try:
        page: LogPage = await making
    except NoSuchPage:
        raise not_found("there is no such page of a log, or none yet") from None
    return tagged(request, page.body, page.headers)


def _entry(entry: Entry) -> EntryView:
    return EntryView(
        index=entry.index,
        leaf=msgspec.json.decode(entry.body),
        body=entry.body.decode(),
        proof=encode_tlog_proof(entry.proof).decode(),
    )
