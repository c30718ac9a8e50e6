"""Choosing what a response shows: rows are decided over one by one, and those of which nothing may be seen left out."""

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from agents.access.record_facts import FactsReader, place_of
from agents.access.response import Decide, Decided, Response, field_facts
from agents.access.selection import Selection
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from security.access.principal import Action
from security.access.request import FieldFacts, RecordFacts
from security.field_binding import EVIDENCE_FIELD
from security.key_provider import MAX_TIER
from security.sealed_blob import field_tiers
from streams.storage import reading
from streams.storage.database import Connection
from streams.storage.reading import StoredResult
from streams.storage.reviews import StoredReview, find_reviews


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """A record that is shown, still sealed."""

    row: StoredResult
    facts: RecordFacts
    fields: tuple[FieldFacts, ...]
    decided: Decided
    reviews: Sequence[tuple[StoredReview, Decided]]

    @property
    def name(self) -> UUID:
        """The record's id."""
        return self.row.record_id

    @property
    def log_id(self) -> int:
        """Of its log."""
        return self.row.log_id


class KnownRow(msgspec.Struct, frozen=True, gc=False):
    """A stored record, and what a decision over it depends on; nothing of it is opened.

    Attributes:
        fields: Those that it has, or had where it is erased.
        reviews: Each with its fields.
    """

    row: StoredResult
    facts: RecordFacts
    fields: tuple[FieldFacts, ...]
    reviews: Sequence[tuple[StoredReview, tuple[FieldFacts, ...]]]


class Chooser:
    """Decides over stored results.

    Args:
        knowledge: Only records of its domains are chosen.
    """

    def __init__(self, identity: Identity, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self.facts = FactsReader(identity, knowledge)

    async def choose(
        self,
        connection: Connection,
        response: Response,
        rows: Sequence[StoredResult],
        found: Selection[Chosen],
        limit: int,
        searched: str | None = None,
    ) -> None:
        """Decide over rows, and add what may be seen, up to the limit.

        Args:
            searched: The field by which they were found.
        """
        for known in await self.known(connection, rows):
            chosen = decide_over(response.decide, known, searched)
            if chosen is None:
                continue
            found.add(response, chosen)
            if len(found.shown) == limit:
                return

    async def known(self, connection: Connection, rows: Sequence[StoredResult]) -> list[KnownRow]:
        """What is known of rows, in their order; those of which nothing is proved are left out."""
        owners = {(row.tenant, row.domain) for row in rows}
        ours = {owner for owner in owners if self._knowledge.tier_keys.covers_domain(*owner)}
        rows = [row for row in rows if (row.tenant, row.domain) in ours]
        places = [place_of(row) for row in rows]
        facts = await self.facts.read(connection, places)
        erased = await reading.field_names(connection, [row for row in rows if row.sealed is None])
        reviews: dict[UUID, list[StoredReview]] = {}
        for review in await find_reviews(connection, [row.record_id for row in rows]):
            reviews.setdefault(review.record_id, []).append(review)
        return [
            KnownRow(
                row,
                about,
                self._fields(row, about, erased.get(row.record_id, ())),
                [(review, _review_fields(review)) for review in reviews.get(row.record_id, ())],
            )
            for row, place in zip(rows, places, strict=True)
            if (about := facts.get(place)) is not None
        ]

    def _fields(self, row: StoredResult, about: RecordFacts, erased: Collection[str]) -> tuple[FieldFacts, ...]:
        shared = self._knowledge.catalogue.shared(row.tenant, about.kind)
        if row.sealed is not None:
            return field_facts(field_tiers(row.record_id.bytes, row.sealed), shared)
        specs = self._knowledge.catalogue.fields(row.tenant, about.kind)
        names = [name for name in erased if name != EVIDENCE_FIELD]
        return field_facts(tuple([(name, specs[name].tier if name in specs else MAX_TIER) for name in names]), shared)


def _review_fields(review: StoredReview) -> tuple[FieldFacts, ...]:
    return field_facts(() if review.sealed is None else field_tiers(review.record_id.bytes, review.sealed))


def decide_over(decide: Decide, known: KnownRow, searched: str | None = None) -> Chosen | None:
    """What may be seen of a record; None where it may not be found by the field that it was found by."""
    row, about, fields = known.row, known.facts, known.fields
    others = []
    if searched is not None:
        by_it = tuple([each for each in fields if each.name == searched])
        may = decide(row.record_id, Action.SEARCH, about, by_it)
        if not may.decision.opens:
            return None
        others.append(may)
    decided = decide(row.record_id, Action.READ, about, fields)
    seen = [(review, decide(row.record_id, Action.READ, about, of)) for review, of in known.reviews]
    others += [each for _, each in seen]
    return Chosen(row, about, fields, decided.joined(others), seen)
