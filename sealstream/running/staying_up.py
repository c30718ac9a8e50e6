"""`sealstream up`: servers and workers until told to stop."""

import asyncio
import re
import signal
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from schemas.tenant import PLATFORM_TENANT
from sealstream.attachment import DEFAULT_DATA_DIR, announced
from sealstream.running.embedded import embedded_servers
from sealstream.running.own_models import have_text_models
from sealstream.running.supervisor import Watched, wait_for_end, worker_processes
from sealstream.settings import Settings
from sealstream.wiring import connected, create_all_topics
from streams.storage.sequencing import list_logs


async def stay_up(settings: Settings, workers: int, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C.

    Raises:
        WorkerEnded: A worker can't be kept running.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kept = settings if settings.data_dir else settings.model_copy(update={"data_dir": DEFAULT_DATA_DIR})
    async with embedded_servers(kept) as running:
        async with connected(running, "up") as database, database.session() as connection:
            tenants = {row.tenant for row in await list_logs(connection)} | {PLATFORM_TENANT}
        await create_all_topics(running, sorted(tenants))
        await have_text_models(running)
        roles = [["intake"]] * workers + [["sequence", "relay"], ["infer"]]
        async with worker_processes(running, roles, api=_api(running, say)) as processes:
            with announced(running):
                say(f"up; data in {running.data_dir}, broker {running.kafka_bootstrap}; stop with Ctrl-C")
                if running.data_dir is not None and (url := running.data_dir / "workers" / "api.ready").exists():
                    say(f"API at {url.read_text().strip()}, console at {_console(running, url.read_text().strip())}")
                await _until_stopped(stop, processes)


def _api(settings: Settings, say: Callable[[str], None]) -> str:
    """Where the API is to listen; nowhere without what it needs."""
    if settings.api_listen and find_spec("fastapi") is None:
        say("no API: install sealstream[api]")
        return ""
    return settings.api_listen


def _console(settings: Settings, api: str) -> str:
    """Where the console is opened: not by an address, for which no browser lets an authenticator sign."""
    return f"{settings.console_url or re.sub(r'//[^/]+:', '//localhost:', api)}/console/"


async def _until_stopped(stop: asyncio.Event, processes: Sequence[Watched]) -> None:
    ended = asyncio.create_task(wait_for_end(processes))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if ended.done():
        ended.result()
    ended.cancel()
