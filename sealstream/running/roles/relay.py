"""The role `relay` of a worker: publishes what is sequenced."""

from agents.relay.relay import Relay
from sealstream.running.roles.means import Means
from sealstream.wiring import notice_topics, open_relay_publication, required_kafka
from streams.endurance import Part
from streams.kafka import require_access


async def publish_log(means: Means, part: Part) -> None:
    """Publish every log until cancelled.

    Raises:
        Unavailable: A server is away: run again.
        BehindPublication: The database holds less than what is published.
    """
    await require_access(required_kafka(means.settings))
    await Relay(
        means.database,
        lambda: open_relay_publication(means.settings),
        notice_topics,
        lambda row: means.identity.notice_signer(row.tenant, row.shard),
        working=part.working,
        observer=means.observation.observer,
    ).run()
