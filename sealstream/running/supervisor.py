"""Worker processes started, kept running and stopped by the process that owns them."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from schemas.errors import SealstreamError
from sealstream.running.kept_worker import KeptWorker, Launch
from sealstream.settings import Settings
from streams.embedded.process import ServerCommand, ServerProcess

PROGRAM: Final = ("-m", "sealstream")
KEY_SETTINGS: Final = (
    "key_provider", "keyring_dir", "openbao_address", "openbao_ca_file", "openbao_mount", "openbao_role_id",
    "openbao_secret_id_file", "openbao_token_file", "pkcs11_module", "pkcs11_pin_file", "pkcs11_token", "tier_key_ttl",
)  # fmt: skip
"""What a process without keys is not told."""


class WorkerEnded(SealstreamError):
    """A worker process can't be kept running; its log says why."""


class Watched(Protocol):
    """A worker whose end somebody waits for."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def log(self) -> Path:
        """Its log."""
        ...

    async def ended(self) -> None:
        """Wait until it has ended and nobody starts it again."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One process that nobody starts again."""

    name: str
    process: ServerProcess
    log: Path

    async def ended(self) -> None:
        """Wait for the end of the process."""
        await self.process.wait()


@asynccontextmanager
async def worker_processes(
    settings: Settings, roles: Sequence[Sequence[str]], *, api: str = ""
) -> AsyncIterator[list[KeptWorker]]:
    """Keep one process running for each list of roles; the body runs once all are ready.

    Args:
        api: Where the REST API listens, in a process of its own; empty for none. Its keys are in another one, unless
            the settings say where they are.

    Raises:
        ServerExited: One ended before it was first ready: that is a matter of configuration.
    """
    if settings.data_dir is None:
        raise RuntimeError("worker processes need a data directory; start the embedded servers first")
    directory = settings.data_dir / "workers"
    directory.mkdir(mode=0o700, exist_ok=True)
    workers = [
        kept_worker(settings, directory, f"{number}-{'-'.join(names)}", names) for number, names in enumerate(roles)
    ]
    # A socket's path may have 107 bytes, and a data directory may lie deep.
    with tempfile.TemporaryDirectory(prefix="sealstream-release-") as place:
        released = _released(settings, directory, Path(place) / "socket") if api and not settings.release else []
        if api:
            workers.append(_api(settings, directory, api, Path(place) / "socket"))
        everybody = [*released, *workers]
        keeping: list[asyncio.Task[None]] = []
        try:
            # The API introduces itself to the release before it does anything else.
            for some in (released, workers):
                for each in some:
                    await each.start()
                await asyncio.gather(*(each.until_ready() for each in some))
            keeping += [asyncio.create_task(each.keep(), name=f"keep {each.name}") for each in everybody]
            yield everybody
        finally:
            # A keeper that is about to start its worker does so, and sees then that it is to stop.
            for each in everybody:
                each.tell_to_stop()
            await asyncio.gather(*keeping, return_exceptions=True)
            await asyncio.gather(*(each.stop() for each in everybody))


async def wait_for_end(workers: Sequence[Watched]) -> None:
    """Wait until any worker has ended for good, and say so.

    Raises:
        WorkerEnded: Always, in the end.
    """
    ends = {asyncio.create_task(each.ended()): each for each in workers}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        ended = ends[next(iter(done))]
        raise WorkerEnded(f"worker {ended.name} ends again and again by itself; see {ended.log}")
    finally:
        for task in ends:
            task.cancel()


def kept_worker(
    settings: Settings, directory: Path, name: str, roles: Sequence[str], launch: Launch | None = None
) -> KeptWorker:
    """A worker with these settings, not started yet.

    Args:
        directory: For its log and its mark of being ready.
        launch: How its process is started; None for a new interpreter.
    """
    chosen = [argument for role in roles for argument in ("--role", role)]
    return kept_process(settings, directory, name, ["worker", *chosen], launch=launch)


def _released(settings: Settings, directory: Path, socket: Path) -> list[KeptWorker]:
    """What holds the API's keys, not started yet."""
    return [kept_process(settings, directory, "release", ["release", "--socket", str(socket)])]


def _api(settings: Settings, directory: Path, listen: str, socket: Path) -> KeptWorker:
    """The API, not started yet; it has no keys, and is not told where any are.

    Args:
        socket: Of what holds them, unless the settings name others.
    """
    routes = settings.release or (f"{','.join(settings.release_scopes)} {socket}",)
    asking = settings.model_copy(update={"release": routes})
    environment = _environment(asking, without=KEY_SETTINGS)
    return kept_process(asking, directory, "api", ["api", "--listen", listen], environment=environment)


def kept_process(
    settings: Settings,
    directory: Path,
    name: str,
    command_line: Sequence[str],
    environment: Mapping[str, str] | None = None,
    launch: Launch | None = None,
) -> KeptWorker:
    """A command of ours with these settings, not started yet; it says in a file when it is ready.

    Args:
        environment: Of it; by default all settings.
    """
    ready = directory / f"{name}.ready"
    command = ServerCommand(
        name=f"worker {name}",
        arguments=[sys.executable, *PROGRAM, *command_line, "--ready-file", str(ready)],
        directory=directory,
        log=directory / f"{name}.log",
        account=None,
        death_signal=signal.SIGTERM,
        environment=dict(_environment(settings) if environment is None else environment),
    )
    return KeptWorker(command, name, ready, launch)


def _environment(settings: Settings, without: Collection[str] = ()) -> dict[str, str]:
    """The settings in force, for a process of ours; secrets go by environment, never by argument.

    Args:
        without: Settings that are none of its business.
    """
    left_out = {"database_url", *without}
    values = settings.model_dump(mode="json", exclude_none=True, exclude=left_out) | settings.secrets()
    environment = {f"SEALSTREAM_{name.upper()}": _text(value) for name, value in values.items()}
    if settings.dsn is not None:
        environment["SEALSTREAM_DATABASE_URL"] = settings.dsn
    # One process, one core: the libraries' own threads would only fight over it.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    return environment | threads | path


def _text(value: object) -> str:
    if isinstance(value, list):
        import json

        return json.dumps(value)
    return str(value)
