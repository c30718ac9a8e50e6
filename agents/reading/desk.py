"""The one way by which somebody reads: as a person, for a purpose, and no more of it than policies and approvals allow.

Each response asks anew what holds, decides record by record and field by field, and is a leaf in each log that it
touches before anything is opened; only what may be seen is opened. A record of which nothing may be seen is left out,
as one that is not there: `show` then leaves a `deny` leaf in the platform's log, an empty list or search a `read` or
`search` of nothing there, whichever it was. Reading at a bare tier, without anybody's right, is agents.opening.reading.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol, TypeVar
from uuid import UUID

from agents.access.choosing import Chooser, Chosen
from agents.access.keeper import AccessKeeper
from agents.access.look_log import LookKind, LookLog, NewLook, QuotaSpent, WrittenLook
from agents.access.reach import record_reach, work_reach
from agents.access.response import BASIS, Decided, Response
from agents.access.selection import Item, Selection
from agents.opening.handing import Handing
from agents.opening.seen import Page, SeenRecord, SeenReview
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from agents.release.opening import OwnRelease, Release, ShownRecord
from schemas.errors import SealstreamError
from security.access.principal import Principal, Role
from security.commit_signature import WorkerKey
from streams.storage import reading
from streams.storage.database import Connection, Database
from streams.storage.index_keys import list_rotations
from streams.storage.reading import Cursor, StoredResult
from streams.storage.reviews import open_reviews

MAX_LIMIT: Final = 1_000
SCANNED_AT_MOST: Final = 5_000
"""Rows that one page looks through: for somebody who may see next to nothing it would be all there are."""

_MORE: Final = 16
_TRIES: Final = 4
"""How often a response is made again with what others have left of a quota, before it does without."""


class ReadRows(Protocol):
    """Reads rows in their order, from a place on."""

    async def __call__(self, connection: Connection, *, limit: int, after: Cursor | None) -> Sequence[StoredResult]:
        """Read at most so many."""
        ...


Shown = TypeVar("Shown", bound=Item)
Select = Callable[[Connection, Response, Selection[Shown]], Awaitable[None]]


class NotPermitted(SealstreamError):
    """Somebody's role does not let them do this."""


class Desk:
    """Reads for everybody who is registered.

    Args:
        database: For the platform's own work: looks are written through it.
        people: Reads what somebody asks for, within their reach; `database` where nobody's is limited.
        knowledge: With the tier keys of all that may be read here, if this process has them.
        worker: Signs the leaves of looks.
        keeper: Knows who may see what.
        release: Opens what was decided; by default with the keys of `knowledge`.
        clock: Gives the time.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        keeper: AccessKeeper,
        *,
        people: Database | None = None,
        release: Release | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.people = database if people is None else people
        self._knowledge = knowledge
        self._keeper = keeper
        self._clock = clock
        self.release = OwnRelease(self.people, identity, knowledge) if release is None else release
        self._looks = LookLog(database, identity, knowledge, worker, self.release)
        self._chooser = Chooser(identity, knowledge)
        self.handing = Handing(self._chooser.facts, knowledge.catalogue, knowledge.tier_keys)

    async def list(
        self, who: Principal, purpose: str, *, tenant: str | None = None, after: Cursor | None = None, limit: int = 20
    ) -> Page:
        """The newest records, or those after a page.

        Raises:
            AccessUnavailable: What holds can't be found out now.
            NotAuthenticated: They are nobody here any more.
            ConfigurationError: No purpose is stated.
        """
        return await self._page(who, purpose, "list", partial(reading.list_results, tenant=tenant), after, limit)

    async def to_review(
        self, who: Principal, purpose: str, *, tenant: str | None = None, after: Cursor | None = None, limit: int = 20
    ) -> Page:
        """Records that a model left to a person and nobody has decided yet, the oldest first; raises as `list`."""
        return await self._page(who, purpose, "reviews", partial(open_reviews, tenant=tenant), after, limit)

    async def _page(
        self, who: Principal, purpose: str, asked: str, read: ReadRows, after: Cursor | None, limit: int
    ) -> Page:
        limit = min(limit, MAX_LIMIT)

        async def select(connection: Connection, response: Response, found: Selection[Chosen]) -> None:
            place, scanned, at_once = after, 0, limit + _MORE
            while len(found.shown) < limit:
                if scanned >= SCANNED_AT_MOST:
                    found.next = place
                    return
                rows = await read(connection, limit=at_once, after=place)
                await self._chooser.choose(connection, response, rows, found, limit)
                if len(found.shown) < limit and len(rows) < at_once:
                    return
                scanned, at_once = scanned + len(rows), min(2 * at_once, MAX_LIMIT)
                place = Cursor(rows[-1].created_at, rows[-1].record_id)
            last = found.shown[-1].row
            found.next = Cursor(last.created_at, last.record_id)

        look, chosen = await self.respond(who, purpose, "read", asked, select)
        return Page(await self._open(look, chosen), chosen.next)

    async def show(self, who: Principal, purpose: str, name: UUID) -> Sequence[SeenRecord]:
        """The record of that id, or the records of the message of that id; raises as `list`."""

        async def select(connection: Connection, response: Response, found: Selection[Chosen]) -> None:
            rows = await reading.find_results(connection, [name])
            await self._chooser.choose(connection, response, rows, found, len(rows))

        return await self._open(*await self.respond(who, purpose, "read", f"show {name}", select, by_name=True))

    async def search(
        self, who: Principal, purpose: str, field: str, value: str, *, limit: int = 20
    ) -> Sequence[SeenRecord]:
        """Records whose field has exactly this value, as far as they may be searched by it; raises as `list`.

        A field that nobody has searchable finds nothing, like one that they may not search by. Of a value that very
        many records have, the newest are looked through.
        """
        limit = min(limit, MAX_LIMIT)

        async def select(connection: Connection, response: Response, found: Selection[Chosen]) -> None:
            async with reading.one_view(connection):
                # The versions and the terms as of one moment: a rotation of index keys may be under way.
                rotations = await list_rotations(connection)
                terms = await self.release.terms(who.proof, field, value, rotations)
                scanned, at_once = 0, limit + _MORE
                while terms and scanned < MAX_LIMIT:
                    rows = await reading.search_results(connection, field, terms, at_once, skip=scanned)
                    await self._chooser.choose(connection, response, rows, found, limit, searched=field)
                    if len(found.shown) == limit or len(rows) < at_once:
                        return
                    scanned, at_once = scanned + len(rows), min(2 * at_once, MAX_LIMIT - scanned - len(rows))

        asked = f"search {field}" if len(field) <= 128 else "search"
        return await self._open(*await self.respond(who, purpose, "search", asked, select))

    async def look_at_logs(self, who: Principal, purpose: str, asked: str, log_ids: Collection[int]) -> WrittenLook:
        """Write down that an auditor reads what logs say of people, and what is sealed beside it.

        Raises:
            NotPermitted: They are no auditor.
        """
        response = Response(await self._keeper.current(), who, purpose, self._clock())
        if Role.AUDITOR not in response.who.roles:
            raise NotPermitted("the logs' looks and packs are for auditors; ask one")
        nothing: dict[int, Sequence[tuple[UUID, Decided]]] = {log_id: [] for log_id in log_ids}
        because = response.because(asked, nothing)
        shown: dict[int, Sequence[UUID]] = {log_id: [] for log_id in log_ids}
        look = await self._looks.write(NewLook("search", response.who.person, BASIS, shown, because))
        return replace(look, proof=who.proof)

    async def respond(
        self,
        who: Principal,
        purpose: str,
        kind: LookKind,
        asked: str,
        select: Select[Shown],
        *,
        by_name: bool = False,
        letters: bool = False,
    ) -> tuple[WrittenLook, Selection[Shown]]:
        """Decide, and write the look down. It is durable when this returns, and nothing was opened before.

        Args:
            asked: See `LookRecord`.
            select: Decides over what was asked for.
            by_name: Whether that was named, so that nothing of it is a denial.
            letters: Whether it asks for dead letters, which the platform's operators reach wherever they are.
        """
        left: dict[UUID, int] = {}
        tries = 0
        while True:
            response = Response(await self._keeper.current(), who, purpose, self._clock(), left)
            reach = work_reach(response.who) if letters else record_reach(response.access, response.who, response.now)
            found: Selection[Shown] = Selection(reach)
            async with self.people.session(clean=True, reach=reach) as connection:
                await select(connection, response, found)
            try:
                look = await self._looks.write(self._look(response, kind, asked, found, by_name=by_name))
            except QuotaSpent as spent:
                tries += 1
                left[spent.request] = spent.left if tries < _TRIES else 0
            else:
                return replace(look, proof=who.proof), found

    def _look(
        self, response: Response, kind: LookKind, asked: str, found: Selection[Shown], *, by_name: bool
    ) -> NewLook:
        speaks_of = found.by_log()
        shown = {log_id: [name for name, _ in records] for log_id, records in speaks_of.items()}
        if not shown:
            # The same for what is not there and what is not theirs: in the log of neither's owner.
            platform = self._knowledge.platform.log.log_id
            speaks_of, shown = {platform: found.denied if by_name else []}, {platform: []}
            kind = "deny" if by_name else kind
        return NewLook(kind, response.who.person, BASIS, shown, response.because(asked, speaks_of))

    async def _open(self, look: WrittenLook, found: Selection[Chosen]) -> Sequence[SeenRecord]:
        """Have opened what the decisions open, and nothing else."""
        if not found.shown:
            return []
        shown = await self.release.records(look, found.shown, found.reach)
        return [_seen(chosen, each) for chosen, each in zip(found.shown, shown, strict=True)]


def _seen(chosen: Chosen, shown: ShownRecord) -> SeenRecord:
    row, facts = chosen.row, chosen.facts
    return SeenRecord(
        record=row.record_id,
        message=row.message_id,
        tenant=row.tenant,
        domain=row.domain,
        type=row.type,
        kind=facts.kind,
        source=facts.source,
        outcome=row.outcome,
        note=row.note,
        linked=row.linked,
        received=row.created_at,
        fields=shown.fields,
        reviews=tuple(
            [SeenReview(review.n, review.created_at, shown.reviews[review.n]) for review, _ in chosen.reviews]
        ),
    )
