"""How long the broker keeps what a recovery reads again: inbound topics, and the audit topics."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from schemas.errors import ConfigurationError
from streams.kafka import KafkaAccess
from streams.topics import admin_client

FOR_EVER: Final = -1


@dataclass(frozen=True, slots=True)
class Retention:
    """A topic's rule for what it lets go.

    Attributes:
        compacted: Whether it keeps one record a key only.
        time: None for ever, or where the broker does not say.
        size_bytes: Of a partition; None without a bound.
        told: Whether the broker says at all.
    """

    compacted: bool
    time: dt.timedelta | None
    size_bytes: int | None
    told: bool

    def fault(self, window: dt.timedelta) -> str | None:
        """Why a backup of that age could not be recovered from the topic; None when it could."""
        if self.compacted:
            return "it is compacted, so it lets records of a repeated key go; set cleanup.policy=delete"
        if self.time is not None and self.time <= window:
            return f"it keeps records for {self.time}, which must be longer than the backup window of {window}"
        if self.size_bytes is not None:
            return f"it keeps {self.size_bytes} bytes a partition, however young they are; set retention.bytes=-1"
        return None


async def read_retention(kafka: KafkaAccess, topics: Collection[str]) -> dict[str, Retention]:
    """The rules of these topics.

    Raises:
        ConfigurationError: The broker can't be reached, a topic is not there, or we may not ask (DescribeConfigs).
    """
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    found: dict[str, Retention] = {}
    async with admin_client(kafka) as admin:
        answers = await admin.describe_configs(wanted)
    for answer in answers:
        for code, _, _, name, entries in answer.resources:
            if code:
                raise ConfigurationError(
                    f"the configuration of topic {name} can't be read ({for_code(code).__name__}); create the topic, "
                    "or grant DESCRIBE_CONFIGS on it"
                )
            found[name] = _retention({entry[0]: entry[1] for entry in entries})
    return found


def _retention(config: Mapping[str, str]) -> Retention:
    milliseconds, size = int(config.get("retention.ms", FOR_EVER)), int(config.get("retention.bytes", FOR_EVER))
    return Retention(
        compacted="compact" in config.get("cleanup.policy", ""),
        time=None if milliseconds == FOR_EVER else dt.timedelta(milliseconds=milliseconds),
        size_bytes=None if size == FOR_EVER else size,
        told="retention.ms" in config,
    )
