"""Goes through the logs for one source and period, and logs the look before it tells what it saw."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from agents.commits.leaves import LogRef
from agents.completeness.collection import Collection, closed_period
from agents.completeness.comparison import CompletenessReport, compare
from agents.completeness.found import Found, FoundClosing, Period
from agents.completeness.producer_list import ListedMessage
from agents.platform.data_keys import DataKeyCache
from agents.platform.knowledge import Knowledge
from schemas.closing import CLOSING
from schemas.errors import ConfigurationError
from security.field_binding import EVIDENCE_FIELD
from security.opening import FieldOpener
from security.sealed_blob import SealBroken
from streams.storage import auditing, completeness
from streams.storage.completeness import MessageRow
from streams.storage.database import Connection, Database

MARGIN: Final = dt.timedelta(days=1)
"""What came in longer before the period began is not looked at: its producer's clock would be that far ahead."""

IDS_A_LEAF: Final = 10_000
_AGES_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

LogLook = Callable[[Mapping[int, Sequence[UUID]]], Awaitable[None]]
"""Writes a read leaf over these ids, by log, and returns when that is durable."""


class CompletenessAudit:
    """Compares closings with what came in.

    Args:
        knowledge: With tier keys up to the tier.
        tier: Evidence above it stays sealed: accepted messages are at 3 or above, refused ones at 4.
    """

    def __init__(self, database: Database, knowledge: Knowledge, tier: int, log_look: LogLook) -> None:
        self._database = database
        self._knowledge = knowledge
        self._tier = tier
        self._log_look = log_look

    async def of_closing(
        self, name: UUID, read_list: Callable[[str], Sequence[ListedMessage]] | None = None
    ) -> CompletenessReport:
        """Compare one closing.

        Args:
            name: Its record id.
            read_list: Reads the producer's list for a source.

        Raises:
            ConfigurationError: There is no such closing, or it stays sealed at this tier.
            VerificationFailed: The list is not that of the closing.
        """
        async with self._database.session() as connection, auditing.snapshot(connection):
            period = await self._period_of(connection, name)
            found, seen = await self._collect(connection, period)
        wanted = next((each for each in found.closings if each.message == name), None)
        return await self._report(period, found, seen, wanted, read_list)

    async def of_period(
        self, period: Period, read_list: Callable[[str], Sequence[ListedMessage]] | None = None
    ) -> CompletenessReport:
        """Compare a period with its closing, if it has one. Arguments and errors as `of_closing`."""
        async with self._database.session() as connection, auditing.snapshot(connection):
            found, seen = await self._collect(connection, period)
        return await self._report(period, found, seen, None, read_list)

    async def _report(
        self,
        period: Period,
        found: Found,
        seen: Mapping[int, Sequence[UUID]],
        wanted: FoundClosing | None,
        read_list: Callable[[str], Sequence[ListedMessage]] | None,
    ) -> CompletenessReport:
        await self._log(seen)
        return compare(period, found, wanted, read_list(period.source) if read_list is not None else None)

    async def _log(self, seen: Mapping[int, Sequence[UUID]]) -> None:
        """One leaf for each log and so many ids; one alone where nothing was seen."""
        shown = {log_id: names for log_id, names in seen.items() if names}
        if not shown:
            await self._log_look({self._knowledge.platform.log.log_id: []})
        for log_id, names in shown.items():
            for start in range(0, len(names), IDS_A_LEAF):
                await self._log_look({log_id: names[start : start + IDS_A_LEAF]})

    async def _collect(self, connection: Connection, period: Period) -> tuple[Found, dict[int, list[UUID]]]:
        """What is found, and by log the messages that are shown for it."""
        collection = Collection(period)
        logs = {owner.log.log_id: owner.log for owner in self._knowledge.owners.values()}
        seen: dict[int, list[UUID]] = {}
        for log in logs.values():
            before = len(collection.found.shown)
            await self._go_through(connection, log, collection)
            seen[log.log_id] = list(dict.fromkeys(collection.found.shown[before:]))
        return collection.found, seen

    async def _go_through(self, connection: Connection, log: LogRef, collection: Collection) -> None:
        data_keys = DataKeyCache()
        since = max(collection.period.start, _AGES_AGO + MARGIN) - MARGIN
        async for bundles in completeness.bundles_since(connection, log.log_id, since):
            for leaves in collection.places(bundles):
                rows = await completeness.messages_at(connection, log.log_id, list(leaves))
                await data_keys.load(connection, {row.pass_id for row in rows})
                opener = FieldOpener(self._knowledge.tier_keys, data_keys.get, self._tier)
                collection.look(leaves, rows, partial(_evidence, opener))

    async def _period_of(self, connection: Connection, name: UUID) -> Period:
        row = await completeness.find_message(connection, name, CLOSING)
        if row is None:
            raise ConfigurationError(f"no closing has the id {name}; `sealstream records list` shows them")
        data_keys = DataKeyCache()
        await data_keys.load(connection, [row.pass_id])
        packed = _evidence(FieldOpener(self._knowledge.tier_keys, data_keys.get, self._tier), row)
        period = closed_period(packed) if packed is not None else None
        if period is None:
            raise ConfigurationError(f"closing {name} can't be opened at tier {self._tier}; it may be erased")
        return period


def _evidence(opener: FieldOpener, row: MessageRow) -> bytes | None:
    if row.evidence is None:
        return None
    try:
        opened = opener.open_record(row.tenant, row.domain, row.message_id.bytes, row.pass_id, row.evidence)
    except SealBroken:
        return None
    return opened[EVIDENCE_FIELD].value if EVIDENCE_FIELD in opened else None
