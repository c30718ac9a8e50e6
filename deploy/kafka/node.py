"""One Kafka server, broker and controller in one process: formatted, started, killed, started again on the same data.

How several form a cluster is `deploy.kafka.cluster`.
"""

import asyncio
import base64
import shutil
import signal
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.kafka.installation import QUICK_JVM, KafkaInstallation
from streams.embedded.port import LOOPBACK, is_free
from streams.embedded.process import ServerCommand, ServerProcess

PLAIN: Final = "PLAINTEXT"
CONTROLLER: Final = "CONTROLLER"
READY_LIMIT: Final = timedelta(seconds=120)
FORMAT_LIMIT: Final = timedelta(seconds=60)
LOOK_SECONDS: Final = 0.1  # a look costs us and a server that starts a connection each
STOP_PATIENCE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Listener:
    """A way in for clients, beside the plaintext one that every node has.

    Attributes:
        protocol: Kafka's name: SSL, SASL_PLAINTEXT or SASL_SSL.
        properties: Server properties of this listener, without their prefix ``listener.name.NAME.``.
    """

    protocol: str
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What a node is to be.

    Attributes:
        ports: A port for each listener, by the listener's name.
        voters: Every controller, as ``id@host:port``.
        format_arguments: More for ``StorageTool format``, such as ``--add-scram``.
    """

    number: int
    cluster_id: str
    directory: Path
    ports: Mapping[str, int]
    voters: Sequence[str]
    listeners: Mapping[str, Listener]
    properties: Mapping[str, object]
    jvm: Sequence[str]
    format_arguments: Sequence[str]


class KafkaNode:
    """A server that can be ended in several ways and started again with the same ports and data."""

    def __init__(self, installation: KafkaInstallation, plan: NodePlan) -> None:
        self._installation = installation
        self._plan = plan
        self._process: ServerProcess | None = None

    @property
    def number(self) -> int:
        """Kafka's node id."""
        return self._plan.number

    @property
    def pid(self) -> int:
        """Process id of the server, for signals that have no method here."""
        assert self._process is not None, "the node is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._process is not None

    @property
    def log(self) -> Path:
        """What the server wrote since its last start."""
        return self._plan.directory / "kafka.log"

    def address(self, listener: str = PLAIN) -> str:
        """Where a listener is reached, ``host:port``."""
        return f"{LOOPBACK}:{self._plan.ports[listener]}"

    @property
    def ports_are_free(self) -> bool:
        """Whether nobody has taken one of its ports while it does not run."""
        return all(map(is_free, self._plan.ports.values()))

    async def format(self) -> None:
        """Write the configuration and prepare the data directory; once in a node's life.

        Raises:
            ServerExited: The tool failed; the text has the end of its output.
        """
        self._plan.directory.mkdir(mode=0o700, parents=True)
        self._configuration.touch(mode=0o600)  # it may hold passwords
        lines = [f"{name}={value}" for name, value in _properties(self._plan).items()]
        self._configuration.write_text("\n".join(lines) + "\n")
        plan = self._plan
        # Of properties and users that are somebody else's, the tool says what is wrong with them.
        if self._installation.formatted.exists() and not (plan.properties or plan.listeners or plan.format_arguments):
            self._format_alike()
            return
        arguments = ("-t", plan.cluster_id, "-c", str(self._configuration), *plan.format_arguments)
        await self._run("kafka.tools.StorageTool", "format", *arguments, name="format")

    async def launch(self) -> None:
        """Start the process; `until_ready` says when it answers."""
        assert self._process is None, "the node is running"
        command = self._installation.command("kafka.Kafka", str(self._configuration), jvm=self._plan.jvm)
        self._process = await ServerProcess.start(self._command(f"Kafka node {self.number}", command, self.log))

    async def until_ready(self, members: Collection[int]) -> None:
        """Wait until it answers and sees all of these nodes.

        Raises:
            ServerExited: It ended first.
            ServerNotReady: It does not.
        """
        assert self._process is not None, "the node is not running"

        async def ready() -> bool:
            if await self._sees(set(members)):
                return True
            await asyncio.sleep(LOOK_SECONDS)
            return False

        await self._process.until_ready(ready, READY_LIMIT)

    async def start(self) -> None:
        """Start it again, on its ports and data, and wait until it serves."""
        await self.launch()
        await self.until_ready({self.number})

    async def stop(self) -> None:
        """Let it hand over and end; nothing happens when it does not run."""
        if self._process is not None:
            await self._process.stop((signal.SIGTERM, STOP_PATIENCE))
            self._process = None

    async def kill(self) -> None:
        """End it by SIGKILL; nothing happens when it does not run."""
        if self._process is not None:
            await self._process.stop()
            self._process = None

    @property
    def first_snapshot(self) -> Path:
        """The features of a new cluster, and its users, as formatting writes them."""
        return self._plan.directory / "data" / "__cluster_metadata-0" / f"{0:020}-{0:010}.checkpoint"

    def _format_alike(self) -> None:
        """Write what the tool would write, which takes 1 s of CPU time to start."""
        self.first_snapshot.parent.mkdir(parents=True)
        shutil.copyfile(self._installation.formatted, self.first_snapshot)
        ids = {
            "version": 1,
            "cluster.id": self._plan.cluster_id,
            "node.id": self._plan.number,
            "directory.id": new_id(),
        }
        lines = [f"{name}={value}" for name, value in ids.items()]
        (self._plan.directory / "data" / "meta.properties").write_text("\n".join(lines) + "\n")

    @property
    def _configuration(self) -> Path:
        return self._plan.directory / "server.properties"

    async def _run(self, main: str, *arguments: str, name: str) -> None:
        log = self._plan.directory / f"{name}.log"
        # What is wrong stands at the head of a trace, and messages show the end of the log.
        command = self._installation.command(main, *arguments, jvm=(*QUICK_JVM, "-XX:MaxJavaStackTraceDepth=3"))
        process = await ServerProcess.start(self._command(name, command, log))
        try:
            code = await asyncio.wait_for(process.wait(), FORMAT_LIMIT.total_seconds())
        except TimeoutError:
            raise process.not_ready(FORMAT_LIMIT) from None
        finally:
            await process.stop()
        if code != 0:
            raise process.exited(code)

    def _command(self, name: str, arguments: Sequence[str], log: Path) -> ServerCommand:
        return ServerCommand(
            name=name,
            arguments=arguments,
            directory=self._plan.directory,
            log=log,
            account=None,
            death_signal=signal.SIGKILL,
        )

    async def _sees(self, members: set[int]) -> bool:
        try:
            # The client would log each refused attempt.
            _, writer = await asyncio.open_connection(LOOPBACK, self._plan.ports[PLAIN])
            writer.close()
            client = AIOKafkaAdminClient(bootstrap_servers=self.address())
            try:
                await client.start()
                told = await client.describe_cluster()
            finally:
                await client.close()
        except (OSError, KafkaError):
            return False
        return told["cluster_id"] == self._plan.cluster_id and members <= {each["node_id"] for each in told["brokers"]}


def new_id() -> str:
    """A fresh id of a cluster or a directory; like Kafka's own it does not begin as an option of a command would."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _properties(plan: NodePlan) -> dict[str, object]:
    """The server properties: what a loopback cluster needs, sized for a small one; the plan's own win."""
    protocols = {PLAIN: PLAIN, CONTROLLER: PLAIN} | {name: each.protocol for name, each in plan.listeners.items()}
    places = {name: f"{name}://{LOOPBACK}:{port}" for name, port in plan.ports.items()}
    copies = len(plan.voters)
    return {
        "process.roles": "broker,controller",
        "node.id": plan.number,
        "controller.quorum.voters": ",".join(plan.voters),
        "controller.listener.names": CONTROLLER,
        "listeners": ",".join(places.values()),
        "advertised.listeners": ",".join(place for name, place in places.items() if name != CONTROLLER),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "inter.broker.listener.name": PLAIN,
        "log.dirs": plan.directory / "data",
        "default.replication.factor": copies,
        "min.insync.replicas": min(copies, 2),
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": min(copies, 2),
        "transaction.state.log.num.partitions": 4,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # By default the controllers write an empty record twice a second, a fifth of what an idle cluster costs.
        "metadata.max.idle.interval.ms": 10_000,
        # A fetch is answered as soon as there is something to copy; idle nodes ask twice a second by default.
        "replica.fetch.wait.max.ms": 2_000,
        # A dead broker is noticed after 3 s and not 9.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3000,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 4 << 20,  # 128 MB of heap by default
        **plan.properties,
        **{
            f"listener.name.{name.lower()}.{key}": value
            for name, each in plan.listeners.items()
            for key, value in each.properties.items()
        },
    }
