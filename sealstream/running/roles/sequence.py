"""The role `sequence` of a worker: gives leaves their place, signs checkpoints, and has them attested by others."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import aiohttp

from agents.completeness.order_keeper import OrderKeeper
from agents.intake.worker import beside
from agents.keys.subscription_keeper import SubscriptionKeeper
from agents.log.sequencer import Sequencer
from agents.log.timestamping import Timestamping
from agents.log.witnessing import AskedWitness, Witnessing
from agents.shards.closing import ShardOpener
from sealstream.attestor_client import HttpAuthority, HttpWitness
from sealstream.running.roles.means import Means
from sealstream.settings import Settings
from sealstream.wiring import known_witnesses, published_positions, timestamp_authorities
from streams.endurance import Part
from streams.jwks_endpoint import fetch_jwks
from streams.storage.ids import IdBlock
from streams.storage.ownership import owned
from streams.storage.witnessing import ATTESTING_LOCK

SUBSCRIPTIONS: Final = "subscriptions"


async def sequence(means: Means, part: Part) -> None:
    """Sequence every log until cancelled, and fetch the keys that are subscribed to.

    Raises:
        Unavailable: A server is away: run again.
        BehindPublication: The database holds less than what is published.
    """
    settings, database = means.settings, means.database
    order = OrderKeeper(database, await means.worker_key(), IdBlock(database, "commit_ids"), settings.sequence_window)
    sequencer = Sequencer(
        database,
        means.identity.signer_of,
        await asyncio.to_thread(means.identity.authority),
        lambda: published_positions(settings),
        checkpoint_every=settings.checkpoint_every,
        working=part.working,
        behind=order.step,
        opener=ShardOpener(database, means.identity.new_worker),
    )
    following = Part(means.health, SUBSCRIPTIONS)
    keeper = SubscriptionKeeper(database, means.identity, means.health, fetch_jwks, working=following.working)
    # Outlasts its own outages: an endpoint must never hold up the log.
    async with beside(following.keep_going(keeper.run), SUBSCRIPTIONS):
        await sequencer.run()


def attests(settings: Settings) -> bool:
    """Whether anybody is asked to attest what is signed."""
    return bool(settings.witnesses or settings.timestamp_url)


async def attest(means: Means, part: Part) -> None:
    """Have what is signed attested by others until cancelled, as one of all sequencing processes."""
    settings, database = means.settings, means.database
    async with (
        aiohttp.ClientSession() as session,
        owned(database, ATTESTING_LOCK, part.working),
    ):
        witnesses = [AskedWitness(verifier, HttpWitness(session, url)) for url, verifier in known_witnesses(settings)]
        every = max(1.0, settings.checkpoint_every.total_seconds())
        works: list[Coroutine[Any, Any, None]] = [
            Witnessing(database, witnesses, every=every, working=part.working).run()
        ]
        if settings.timestamp_url is not None:
            works.append(
                Timestamping(
                    database,
                    HttpAuthority(session, settings.timestamp_url),
                    timestamp_authorities(settings),
                    every=settings.timestamp_every.total_seconds(),
                    working=part.working,
                ).run()
            )
        try:
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(work)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
