"""What the log of a platform says, and what that of one would say that nobody hurts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord

from agents.commits.record_batch import RecordBatch
from schemas.leaf import Leaf
from sealstream.auditing import audit
from security.sealing import OpenedField
from tests.support.installation import Installation, Worker

TOPIC: Final = "transactions"
FRAME: Final = 500

Fact = tuple[str | None, str, str | None, str | None, str | None]
"""Record (or its message), kind, outcome, reason, label."""


@dataclass(slots=True)
class Facts:
    """What an audit shows a log to say."""

    found: Counter[Fact] = field(default_factory=Counter)

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

    async def facts(self, topic: dict[int, list[ConsumerRecord]]) -> Counter[Fact]:
        """What the log says once these records, by partition, are in it."""
        for partition, records in topic.items():
            while self._taken[partition] < len(records):
                start = self._taken[partition]
                part = records[start : start + FRAME]
                self._taken[partition] += len(part)
                first, self._at[partition] = self._at[partition], part[-1].offset + 1
                await self._worker.commit(RecordBatch(TOPIC, partition, first, self._at[partition], not start, part))
        await self._installation.sequence()
        facts = Facts()
        report = await audit(self._installation.settings, observe=facts.observe, patience=0)
        assert report.ok, [str(finding) for finding in report.findings]
        return facts.found
