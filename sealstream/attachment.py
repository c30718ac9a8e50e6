"""How other commands find the servers that `sealstream up` embeds: a file in its data directory, ours alone to read."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from schemas.errors import ConfigurationError
from sealstream.settings import Settings, load_settings

DEFAULT_DATA_DIR: Final = Path("/var/tmp/sealstream")  # noqa: S108 survives a reboot, and the servers' accounts can enter it
RUNNING: Final = "running.toml"


@contextmanager
def announced(settings: Settings) -> Iterator[None]:
    """Write down where the servers are for as long as the body runs."""
    if settings.data_dir is None:
        raise RuntimeError("only an installation with a data directory can be announced")
    path = settings.data_dir / RUNNING
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        # Values are URLs that we made: they need no escaping.
        file.write(f'database_url = "{settings.dsn}"\nkafka_bootstrap = "{settings.kafka_bootstrap}"\n')
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def attached_settings() -> Settings:
    """The settings, completed by the servers of a running `sealstream up` where they name none.

    Raises:
        ConfigurationError: The file of a running installation can't be read.
    """
    settings = load_settings()
    if settings.dsn and settings.kafka_bootstrap:
        return settings
    directory = settings.data_dir or DEFAULT_DATA_DIR
    try:
        found = tomllib.loads((directory / RUNNING).read_text())
    except FileNotFoundError:
        return settings
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise ConfigurationError(f"can't read {directory / RUNNING}: {type(exc).__name__}") from exc
    completed: dict[str, object] = {"data_dir": directory}
    if not settings.dsn:
        completed["database_url"] = SecretStr(found["database_url"])
    if not settings.kafka_bootstrap:
        completed["kafka_bootstrap"] = found["kafka_bootstrap"]
    return settings.model_copy(update=completed)
