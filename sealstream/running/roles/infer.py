"""The role `infer` of a worker: has the texts that wait in lanes answered by the models in force."""

from typing import Final, NoReturn

import structlog

from agents.inference.active_models import active_text_models
from agents.intake.setup import keep_current
from agents.intake.worker import beside
from agents.lanes.infer import InferWorker
from agents.lanes.infer_setup import InferParts, ModelsChanged, open_models, process_device
from agents.lanes.messages import TOPICS as LANE_TOPICS
from agents.platform.knowledge import load_knowledge
from agents.upkeep.erasing import erase_again
from schemas.errors import ConfigurationError
from sealstream.running.roles.means import Means
from sealstream.wiring import lane_group, model_store, required_kafka
from streams.endurance import Part
from streams.kafka import KafkaAccess
from streams.lanes import open_lanes
from streams.storage import keys
from streams.topics import cluster_id, require_visible

log = structlog.get_logger(__name__)

INFER_KEYS: Final = "infer-keys"


async def infer(means: Means, part: Part) -> NoReturn:
    """Work lanes off until cancelled; waits while no text model is in force, begins anew when others are.

    Raises:
        Unavailable: A server is away, or a model can't be opened here: run again.
    """
    while True:
        try:
            await _with_models_in_force(means, part)
        except ModelsChanged:
            log.info("infer.models_changed")


async def _with_models_in_force(means: Means, part: Part) -> None:
    settings, database, key = means.settings, means.database, await means.worker_key()
    kafka = required_kafka(settings)
    store = model_store(settings)
    async with database.session() as connection:
        await erase_again(connection)
        await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
    models = await open_models(database, active_text_models(store, means.health), part.working)
    if store is None:
        raise ConfigurationError("models are in force, and there is no model store: set SEALSTREAM_MODEL_STORE")
    await require_visible(kafka, LANE_TOPICS)
    async with process_device("cpu0", models.values(), store, settings.batch_time_limit) as device:
        parts = InferParts(
            database,
            means.identity,
            await load_knowledge(database, means.identity),
            key,
            models,
            [device],
            group=lane_group(settings),
            cluster=await cluster_id(kafka),
            tier_key_ttl=settings.tier_key_ttl,
            observer=means.observation.observer,
            health=means.health,
        )
        await _work(means, parts, part, kafka)


async def _work(means: Means, parts: InferParts, part: Part, kafka: KafkaAccess) -> None:
    settings = means.settings
    # The device ends what hangs; that it does not even do that is a second fault.
    given_up = 2 * settings.batch_time_limit.total_seconds()
    worker = InferWorker(parts, part, grace=settings.lane_grace, answer_seconds=given_up)
    async with (
        beside(keep_current(means.database, parts, means.health, INFER_KEYS), INFER_KEYS),
        open_lanes(
            kafka,
            LANE_TOPICS,
            lane_group(settings),
            session_timeout=settings.session_timeout,
            positions=worker.reading.positions,
            revoked=worker.reading.revoked,
        ) as lanes,
    ):
        await worker.run(lanes)
