"""`sealstream audit tail`: follow a log, keep the last checkpoint that was verified in a file, raise the alarm."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from agents.log.attestor import pause_seconds
from agents.log.monitor import LogMonitor, LogSource, Seen
from agents.log.tree import NothingSigned
from schemas.errors import ConfigurationError, Unavailable, VerificationFailed
from sealstream.attachment import attached_settings
from sealstream.audit.log_sources import ServedLog, StoredLog
from sealstream.wiring import connected
from security.note import KeyType, Verifier
from streams.durable_file import replace_durably

LOCAL: Final = "local"
EVERY_SECONDS: Final = 2.0


async def follow(
    where: str,
    keys: Sequence[Verifier],
    state: Path | None,
    *,
    once: bool,
    seen: Callable[[Seen], None],
    waiting: Callable[[str], None],
    progress: Callable[[int], None] = lambda leaves: None,
) -> None:
    """Follow a log until cancelled.

    Args:
        where: The URL of its tlog-tiles, or `local` for this installation's database.
        keys: Keys of the log, and of witnesses.
        state: File with the last verified checkpoint; without one the log is verified from its beginning.
        once: Look once, and don't wait for what is away.
        seen: Told each checkpoint that was verified.
        waiting: Told why the log can't be read, when that begins.

    Raises:
        LogAlarm: The log is not what it was, or not what it signed.
        ConfigurationError: No key is a log's, or the file holds no checkpoint of this log.
        Unavailable: It is to look once, and can't.
    """
    log_keys = [key for key in keys if key.key_type is KeyType.ED25519]
    if len({key.name for key in log_keys}) != 1:
        raise ConfigurationError("--vkey: give the key of one log (type 0x01); those of witnesses may follow it")
    witness_keys = [key for key in keys if key.key_type is KeyType.COSIGNATURE]
    async with _source(where, log_keys[0].name) as source:
        monitor = LogMonitor(source, log_keys, witness_keys)
        monitor.last = _remembered(monitor, state)
        loop = asyncio.get_running_loop()
        away_since = None
        while True:
            try:
                found = await monitor.look(progress)
            except (Unavailable, NothingSigned) as exc:
                if once:
                    raise
                now = loop.time()
                if away_since is None:
                    away_since = now
                    waiting(str(exc))
                await asyncio.sleep(pause_seconds(EVERY_SECONDS, now - away_since, random.random()))  # noqa: S311
                continue
            away_since = None
            if found is not None:
                if state is not None:
                    replace_durably(state, found.note)
                seen(found)
            if once:
                return
            await asyncio.sleep(EVERY_SECONDS)


@asynccontextmanager
async def _source(where: str, origin: str) -> AsyncIterator[LogSource]:
    if where == LOCAL:
        async with connected(attached_settings(), "monitor") as database:
            yield StoredLog(database, origin)
    elif where.startswith(("http://", "https://")):
        async with aiohttp.ClientSession() as session:
            yield ServedLog(session, where)
    else:
        raise ConfigurationError(f"--follow {where}: give the URL of a log, or {LOCAL}")


def _remembered(monitor: LogMonitor, state: Path | None) -> Seen | None:
    if state is None or not state.exists():
        return None
    try:
        return monitor.read(state.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"can't read {state}: {exc.strerror}") from exc
    except VerificationFailed as exc:
        raise ConfigurationError(
            f"{state} holds no checkpoint of this log by these keys ({exc}); name another file"
        ) from exc
