"""The transport by itself: how records get from a broker to an agent, and nothing done with them.

Each reader is a module with ``async def work(settings, gate)``, run in a worker process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Reader:
    """One way of reading.

    Attributes:
        title: For the report.
        how: In a sentence.
        few: Gets fewer records, because it is slow.
    """

    name: str
    title: str
    how: str
    few: bool = False

    @property
    def module(self) -> str:
        """Where its `work` is."""
        return f"{__name__}.{self.name}"


FRAMES = Reader("frames", "frames", "this pipeline's transport, an event for each fetched chunk, to a Faust agent")
AIOKAFKA = Reader("raw_aiokafka", "raw aiokafka", "AIOKafkaConsumer.getmany, no framework")
STOCK_FAUST = Reader(
    "stock_faust", "stock Faust", "kafka:// transport on uvloop, `async for event in stream.events()`", few=True
)
QUIX = Reader("quix", "Quix Streams", "Application and a dataframe whose one step counts the record")

READERS: Mapping[str, Reader] = MappingProxyType(
    {reader.name: reader for reader in (FRAMES, AIOKAFKA, STOCK_FAUST, QUIX)}
)
