"""What is compared. Each variant is a module with ``async def work(settings, gate)``, run in worker processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.variants.tuned import Tuned


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to get records from Kafka through the stages into PostgreSQL.

    Attributes:
        title: For the report.
        how: How it reads, processes and commits, in a sentence.
        lacks: What it can't promise, in a sentence; empty for what promises all.
        few: Gets fewer of the same records, because it is slow.
        best: Its batches, where it has a choice: what `bench.tuning` found to be fastest.
    """

    name: str
    title: str
    how: str
    lacks: str = ""
    few: bool = False
    best: Tuned | None = None

    @property
    def module(self) -> str:
        """Where its `work` is."""
        return f"{__name__}.{self.name}"

    def sentence(self) -> str:
        """What it is and does."""
        batches = f"; batches of {self.best.batch:,} within {self.best.within_seconds:g} s" if self.best else ""
        return f"{self.title}: {self.how}{batches}."


PIPELINE = Variant(
    "pipeline",
    "this pipeline",
    "`sealstream worker --role intake` as it is: frames through Faust, group commit",
)
REFERENCE = Variant(
    "reference",
    "reference loop",
    "hand-written: AIOKafkaConsumer.getmany, one commit for all it brought, which overlaps with the next batch",
    "no byte budget: memory follows the size of records; stops at topics with gaps (transactions, compaction) and at a "
    "record whose processing raises; no health, no drain on SIGTERM",
    best=Tuned(batch=2_000, within_seconds=0.2),
)
FAUST_DOCUMENTED = Variant(
    "faust_documented",
    "Faust as documented",
    "kafka:// transport, `async for event in stream.events()`, default concurrency and loop, a commit for each record",
    "as take batches",
    few=True,
)
FAUST_TAKE = Variant(
    "faust_take",
    "Faust, take batches",
    "kafka:// transport on uvloop, `async for events in stream.take_events(N, within)`: process, commit, next",
    "begins at Kafka's offset and not at PostgreSQL's: what it reads again after a restart loses the compare-and-set "
    "and is sought past by hand; stops at topics with gaps (transactions, compaction); buffers 4,096 messages of any "
    "size; an exception in the agent would skip the batch, so it crashes the app",
    best=Tuned(batch=1_000, within_seconds=0.2),
)
FAUST_OVERLAPPED = Variant(
    "faust_overlapped",
    "Faust, overlapped by hand",
    "as take batches, but the commit of a batch runs while the next one is processed",
    "as take batches, and Faust may commit a batch's offset to Kafka before PostgreSQL has the batch: after a crash in "
    "that moment the group begins past it, which the compare-and-set notices with the partition's next record, and in "
    "a partition's very first batch not at all",
    best=Tuned(batch=1_000, within_seconds=0.2),
)
QUIX = Variant(
    "quix",
    "Quix Streams",
    "Application with a BatchingSink whose flush takes each partition's records as one frame through the stages and "
    "commits all of them at once; the checkpoint follows",
    "once only through our compare-and-set, at least once by itself: begins at Kafka's offset after a restart; "
    "a commit can't overlap with the next batch, since the checkpoint would run ahead of the database; "
    "a record waits for the checkpoint's interval; librdkafka buffers up to 64 MB beside the sink's batches",
    best=Tuned(batch=1_000, within_seconds=0.2),
)
PLAIN = Variant(
    "plain",
    "this pipeline, plain storage",
    "as it is, but fields and evidence are stored as they are: no ciphers, salts, commitments and data keys",
    "anything that sealing is for; it is there to tell what that costs",
)

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (PIPELINE, REFERENCE, FAUST_DOCUMENTED, FAUST_TAKE, FAUST_OVERLAPPED, QUIX, PLAIN)
    }
)
