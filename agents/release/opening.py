"""The seam between who decides and who holds keys, and opening with keys of this process.

Whoever calls has a look in the log, and it is durable. That it is, and says what they say, is checked where the keys
are in another process: agents.release.releaser.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from agents.access.choosing import Chosen
from agents.access.look_log import WrittenLook
from agents.access.looks import Disclosures, ids_beside
from agents.access.response import Decided
from agents.opening.handing import Handed, HandedFields, Letter, open_handed, passes_of
from agents.opening.reading import letter_evidence
from agents.opening.search_terms import search_terms
from agents.platform.data_keys import DataKeyCache, KeyPlace
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, Knowledge
from security.access.decision import ShownField, project
from security.access.presented import Presented
from security.access.request import FieldFacts
from security.key_provider import MAX_TIER
from security.opening import FieldOpener, OpenedField
from security.sealing import SealingKeys
from security.tier_keys import TierKeys
from streams.storage.database import Connection, Database, Reach
from streams.storage.index_keys import IndexRotation
from streams.storage.reading import StoredResult
from streams.storage.reviews import StoredReview


class ShownRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it goes out: open, masked, or without a value.

    Attributes:
        reviews: Those of each review, by its number.
    """

    fields: Mapping[str, ShownField]
    reviews: Mapping[int, Mapping[str, ShownField]]


class Release(Protocol):
    """Opens what a look in the log shows. It raises `Unavailable` while the keys are away."""

    async def data_keys(self, wanted: Sequence[KeyPlace]) -> SealingKeys:
        """Keys for what is about to be sealed."""
        ...

    async def terms(
        self, proof: Presented | None, field: str, value: str, rotations: Sequence[IndexRotation]
    ) -> Sequence[tuple[int, bytes]] | None:
        """The blind terms of a value, each with its log; None where nobody has the field searchable.

        Args:
            proof: Who searches.
        """
        ...

    async def records(self, look: WrittenLook, chosen: Sequence[Chosen], reach: Reach) -> Sequence[ShownRecord]:
        """Records, in their order."""
        ...

    async def handed(
        self, look: WrittenLook, handed: Sequence[Handed], reach: Reach, *, evidence: bool
    ) -> Sequence[HandedFields]:
        """What is handed on, in its order."""
        ...

    async def letter(self, look: WrittenLook, letter: Letter, reach: Reach) -> OpenedField:
        """The message of a dead letter."""
        ...

    async def shown_ids(
        self, look: WrittenLook, log_id: int, disclosures: Disclosures
    ) -> Mapping[tuple[int, int], OpenedField]:
        """The ids that other looks showed, which an auditor looks at."""
        ...


class OwnRelease:
    """Opens with the keys of `knowledge`.

    Args:
        database: Has the data keys, within the reach of who asks.
    """

    def __init__(self, database: Database, identity: Identity, knowledge: Knowledge) -> None:
        self._database = database
        self._identity = identity
        self._knowledge = knowledge

    async def data_keys(self, wanted: Sequence[KeyPlace]) -> SealingKeys:
        """The tier keys themselves, of looks or of records."""
        looks = all(each.domain == ACCESS_DOMAIN for each in wanted)
        return self._knowledge.access_keys if looks else self._knowledge.tier_keys

    async def terms(
        self, proof: Presented | None, field: str, value: str, rotations: Sequence[IndexRotation]
    ) -> Sequence[tuple[int, bytes]] | None:
        """Made with index keys of this process's keyring."""
        logs = {owner.log.log_id: owner.log for owner in self._knowledge.owners.values()}
        return search_terms(self._identity, self._knowledge, logs.values(), field, value, rotations)

    async def records(self, look: WrittenLook, chosen: Sequence[Chosen], reach: Reach) -> Sequence[ShownRecord]:
        """Open what the decisions open, and nothing else."""
        if not chosen:
            return []
        async with self._database.session(clean=True, reach=reach) as connection:
            return await self.shown(connection, chosen)

    async def shown(self, connection: Connection, chosen: Sequence[Chosen]) -> Sequence[ShownRecord]:
        """Likewise, for who has a connection."""
        reviews = [review for each in chosen for review, _ in each.reviews]
        passes = [*(each.row.pass_id for each in chosen), *(review.pass_id for review in reviews)]
        data_keys = DataKeyCache()
        await data_keys.load(connection, passes)
        opener = FieldOpener(self._knowledge.tier_keys, data_keys.get, MAX_TIER)
        return [_shown(opener, each) for each in chosen]

    async def handed(
        self, look: WrittenLook, handed: Sequence[Handed], reach: Reach, *, evidence: bool
    ) -> Sequence[HandedFields]:
        """Likewise."""
        opener = await self._opener(self._knowledge.tier_keys, passes_of(handed), reach)
        return [open_handed(opener, each) for each in handed]

    async def letter(self, look: WrittenLook, letter: Letter, reach: Reach) -> OpenedField:
        """Likewise."""
        opener = await self._opener(self._knowledge.tier_keys, [letter.stored.pass_id], reach)
        return letter_evidence(opener, letter.stored)

    async def shown_ids(
        self, look: WrittenLook, log_id: int, disclosures: Disclosures
    ) -> Mapping[tuple[int, int], OpenedField]:
        """Opened with the keys of looks, which open no field of any record."""
        passes = {each.pass_id for each in disclosures.values()}
        opener = await self._opener(self._knowledge.access_keys, list(passes), ("*",))
        return ids_beside(opener, disclosures)

    async def _opener(self, tier_keys: TierKeys, passes: Sequence[int], reach: Reach) -> FieldOpener:
        data_keys = DataKeyCache()
        async with self._database.session(clean=True, reach=reach) as connection:
            await data_keys.load(connection, passes)
        return FieldOpener(tier_keys, data_keys.get, MAX_TIER)


def _shown(opener: FieldOpener, chosen: Chosen) -> ShownRecord:
    fields = opened_fields(opener, chosen.row, chosen.decided, chosen.fields)
    reviews = {review.n: project(of.decision, opened_fields(opener, review, of)) for review, of in chosen.reviews}
    return ShownRecord(project(chosen.decided.decision, fields), reviews)


def opened_fields(
    opener: FieldOpener,
    row: StoredResult | StoredReview,
    decided: Decided,
    fields: Sequence[FieldFacts] = (),
) -> Mapping[str, OpenedField]:
    """The fields of a row, of which only those are opened that may be seen.

    Args:
        fields: What it had, where it is erased.
    """
    if row.sealed is None:
        return {each.name: OpenedField(each.tier, "erased") for each in fields}
    only = decided.decision.visible
    return opener.open_record(row.tenant, row.domain, row.record_id.bytes, row.pass_id, row.sealed, only)
