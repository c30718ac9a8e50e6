"""What the log of a platform says, and what that of one would say that nobody hurts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord

from agents.commits.record_batch import RecordBatch
from agents.relay.batch import check_leaves
from agents.relay.relay import MAX_LEAVES
from schemas.leaf import Leaf
from sealstream.audit.auditing import audit
from security.opening import OpenedField
from streams.storage import relaying
from streams.storage.database import Connection
from tests.support.installation import Installation, Worker

TOPIC: Final = "transactions"
FRAME: Final = 500

Fact = tuple[str | None, str, str | None, str | None, str | None]
"""Record (or its message), kind, outcome, reason, label."""


@dataclass(slots=True)
class Facts:
    """What an audit shows a log to say, or its leaves alone."""

    found: Counter[Fact] = field(default_factory=Counter)
    _seen: Counter[int] = field(default_factory=Counter)

    async def take_new(self, connection: Connection) -> None:
        """Take in, without labels, the leaves that were placed since this was asked before."""
        for log in await relaying.sized_logs(connection):
            while (first := self._seen[log.log_id]) < log.size:
                commits = await relaying.sequenced_commits(connection, log.log_id, first, MAX_LEAVES)
                leaves = check_leaves(commits, log.origin, first)
                assert leaves, f"log {log.origin} has a size of {log.size}, and no place {first}"
                for leaf, _ in leaves:
                    self.observe(leaf, {})
                self._seen[log.log_id] += len(leaves)

    def observe(self, leaf: Leaf, fields: Mapping[str, OpenedField]) -> None:
        """Take in one leaf."""
        label = fields.get("label")
        text = label.value.decode() if label is not None and label.value is not None else None
        self.found[leaf.record or leaf.message, leaf.kind, leaf.outcome, leaf.reason, text] += 1


class Undisturbed:
    """One worker's single pass over the same topic, in this process, over a database of its own; it only ever adds."""

    def __init__(self, installation: Installation, worker: Worker) -> None:
        self._installation = installation
        self._worker = worker
        self._taken: Counter[int] = Counter()
        self._at: Counter[int] = Counter()
        self._placed = Facts()

    async def facts(self, topic: dict[int, list[ConsumerRecord]]) -> Counter[Fact]:
        """What the log says once these records, by partition, are in it, and with which labels."""
        await self._take(topic)
        facts = Facts()
        report = await audit(self._installation.settings, observe=facts.observe, patience=0)
        assert report.ok, [str(finding) for finding in report.findings]
        return facts.found

    async def placed_facts(self, topic: dict[int, list[ConsumerRecord]]) -> Counter[Fact]:
        """The same without labels, at the cost of what is new."""
        await self._take(topic)
        async with self._installation.database.session() as connection:
            await self._placed.take_new(connection)
        return self._placed.found

    async def _take(self, topic: dict[int, list[ConsumerRecord]]) -> None:
        for partition, records in topic.items():
            while self._taken[partition] < len(records):
                start = self._taken[partition]
                part = records[start : start + FRAME]
                self._taken[partition] += len(part)
                first, self._at[partition] = self._at[partition], part[-1].offset + 1
                await self._worker.commit(RecordBatch(TOPIC, partition, first, self._at[partition], not start, part))
        await self._installation.sequence()
