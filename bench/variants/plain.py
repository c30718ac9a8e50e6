"""This pipeline with plain storage in the place of sealing."""

from agents.intake import setup
from bench.gate import Gate
from bench.plain_storage import PlainStorage
from bench.variants import pipeline
from sealstream.settings import Settings


async def work(settings: Settings, gate: Gate) -> None:
    """Run the worker of the product with it."""
    setup.SealingStage = PlainStorage  # type: ignore[attr-defined]
    await pipeline.work(settings, gate)
