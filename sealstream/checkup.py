"""What `sealstream doctor` looks at."""

import os
from dataclasses import dataclass

from schemas.errors import SealstreamError
from sealstream.settings import CONFIG_FILE, Settings
from sealstream.wiring import open_identity, required_dsn, required_kafka
from streams.storage.revision import check_migrated
from streams.topics import cluster_id


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    what: str


async def check_up(settings: Settings) -> list[Check]:
    """The settings with where they come from, then whether keyring, broker and database can be used."""
    checks = [_setting(name, value) for name, value in settings.model_dump().items()]
    checks.append(_keyring(settings))
    try:
        checks.append(Check("broker", True, f"cluster {await cluster_id(required_kafka(settings))}"))
    except SealstreamError as exc:
        checks.append(Check("broker", False, str(exc)))
    try:
        await check_migrated(required_dsn(settings))
        checks.append(Check("database", True, "reachable and migrated"))
    except SealstreamError as exc:
        checks.append(Check("database", False, str(exc)))
    return checks


def _setting(name: str, value: object) -> Check:
    variable = f"SEALSTREAM_{name.upper()}"
    if variable in os.environ:
        origin = variable
    elif name in Settings.model_fields and value != Settings.model_fields[name].default:
        origin = CONFIG_FILE
    else:
        origin = "default"
    # SecretStr prints as asterisks.
    return Check(f"setting {name}", True, f"{value} ({origin})")


def _keyring(settings: Settings) -> Check:
    try:
        return Check("keyring", True, repr(open_identity(settings).keyring))
    except SealstreamError as exc:
        return Check("keyring", False, str(exc))
