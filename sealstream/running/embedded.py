"""Embedded servers for whatever the settings don't name: started here, and ended with this process."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from sealstream.wiring import prepare_database
from streams.embedded import DataDirectory, EmbeddedBroker, EmbeddedPostgres

EMBEDDED_FETCH_WAIT = dt.timedelta(milliseconds=10)
"""The embedded broker holds an empty fetch to its end, also when a record arrives meanwhile: this is its latency."""

OWN_BROKER = {
    "kafka_protocol": "PLAINTEXT",
    "kafka_sasl_mechanism": None,
    "kafka_ca_file": None,
    "kafka_certificate_file": None,
    "kafka_key_file": None,
    "kafka_key_password": None,
    "kafka_key_password_file": None,
}
"""How the embedded broker is reached, whatever the settings say of another one."""

EMBEDDED_PARTITIONS = 4
"""Every partition costs in every fetch, and one machine has few cores."""


@asynccontextmanager
async def embedded_servers(settings: Settings) -> AsyncIterator[Settings]:
    """Start what is not configured; gives settings that name everything, with a migrated database.

    Raises:
        ConfigurationError: In production, or when a server can't be started.
    """
    if settings.env == "production" and not (settings.dsn and settings.kafka_bootstrap):
        raise ConfigurationError("embedded servers are refused when SEALSTREAM_ENV=production")
    async with AsyncExitStack() as stack:
        directory: Path = stack.enter_context(DataDirectory(settings.data_dir))
        found: dict[str, object] = {"data_dir": directory}
        if settings.dsn is None:
            temporary = settings.data_dir is None
            postgres = await stack.enter_async_context(EmbeddedPostgres(directory / "postgres", temporary=temporary))
            found["database_url"] = SecretStr(postgres.dsn)
        if settings.kafka_bootstrap is None:
            broker = await stack.enter_async_context(EmbeddedBroker(directory / "broker"))
            found["kafka_bootstrap"] = broker.bootstrap_servers
            found |= OWN_BROKER
            found["fetch_max_wait"] = EMBEDDED_FETCH_WAIT
            if "partitions" not in settings.model_fields_set:
                found["partitions"] = EMBEDDED_PARTITIONS
        running = settings.model_copy(update=found)
        await prepare_database(running)
        yield running
