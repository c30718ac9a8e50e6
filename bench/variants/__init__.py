"""What is compared. Each variant is a module with ``async def work(settings, gate)``, run in worker processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to get records from Kafka through the stages into PostgreSQL.

    Attributes:
        title: For the report.
        how: How it reads, processes and commits, in a sentence.
        few: Gets fewer of the same records, because it is slow.
        uvloop: Runs on uvloop; otherwise on asyncio's own loop.
    """

    name: str
    title: str
    how: str
    few: bool = False
    uvloop: bool = True

    @property
    def module(self) -> str:
        """Where its `work` is."""
        return f"{__name__}.{self.name}"


PIPELINE = Variant(
    "pipeline",
    "this pipeline",
    "`sealstream worker --role intake` as it is: frames through Faust, group commit",
)
REFERENCE = Variant(
    "reference",
    "reference loop",
    "hand-written: AIOKafkaConsumer.getmany, the same stages, one commit for all it brought, "
    "which overlaps with the next batch; no Faust",
)
FAUST_DOCUMENTED = Variant(
    "faust_documented",
    "Faust as documented",
    "kafka:// transport, `async for event in stream.events()`, default concurrency, a commit for each record",
    few=True,
    uvloop=False,
)
FAUST_BEST = Variant(
    "faust_best",
    "Faust at its best",
    "kafka:// transport, `stream.take_events`, a commit for each batch, which overlaps with the next one; "
    "raw serializer, uvloop",
)

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {variant.name: variant for variant in (PIPELINE, REFERENCE, FAUST_DOCUMENTED, FAUST_BEST)}
)
