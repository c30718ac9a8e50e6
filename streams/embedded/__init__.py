"""An embedded broker and database for development, demonstrations and tests, owned by the process that starts them.

    with DataDirectory() as directory:
        database = EmbeddedPostgres(directory / "postgres", temporary=True)
        async with EmbeddedBroker(directory / "broker") as broker, database as postgres:
            ...  # broker.bootstrap_servers, broker.cluster_id, postgres.dsn

They listen on the loopback interface alone, never run as root, and end with their owner however it ends. What connects
to them, or to real ones, is the rest of `streams`.
"""

from streams.embedded.broker import EmbeddedBroker
from streams.embedded.directory import DataDirectory
from streams.embedded.lock import DirectoryInUse
from streams.embedded.postgres import EmbeddedPostgres
from streams.embedded.process import ServerExited, ServerNotReady

__all__ = ["DataDirectory", "DirectoryInUse", "EmbeddedBroker", "EmbeddedPostgres", "ServerExited", "ServerNotReady"]
