"""A Kafka cluster of one or more nodes, each broker and controller, that lives as long as its context.

With three nodes, topics have three replicas and `min.insync.replicas` is 2; one node may be down at a time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.kafka.broker import KafkaBroker, administration
from deploy.kafka.installation import QUICK_JVM, KafkaInstallation, find_installation
from deploy.kafka.node import CONTROLLER, PLAIN, KafkaNode, Listener, NodePlan, new_id
from streams.embedded.port import LOOPBACK, pick_port
from streams.embedded.process import ServerExited

STARTS: Final = 5


class KafkaCluster:
    """A running cluster.

    Attributes:
        cluster_id: Fresh for each cluster; the same when its nodes are started again.
        nodes: Node 1 first.
    """

    cluster_id: str
    nodes: tuple[KafkaNode, ...]

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        properties: Mapping[str, object] | None = None,
        listeners: Mapping[str, Listener] | None = None,
        format_arguments: Sequence[str] = (),
        jvm: Sequence[str] = QUICK_JVM,
        installation: KafkaInstallation | None = None,
    ) -> None:
        """Nothing starts before the context is entered.

        Args:
            directory: For configuration, data and logs; created, and left behind.
            nodes: How many; an even number bears no more failures than the odd one below it.
            properties: Server properties of every node, beside or in place of ours.
            listeners: Ways in beside the plaintext one, by name.
            format_arguments: More for ``StorageTool format``, such as ``--add-scram``.
            jvm: Options of the JVM; the default starts fast, a measurement wants the full compiler and more heap.
            installation: Java and jars; None to look for them.
        """
        self._directory = directory.absolute()
        self._count = nodes
        self._properties = properties or {}
        self._listeners = listeners or {}
        self._format_arguments = format_arguments
        self._jvm = jvm
        self._installation = installation

    async def __aenter__(self) -> Self:
        """Format and start all nodes; returns when they answer and see each other.

        Raises:
            KafkaMissing: No Java or no jars.
            ServerExited: A node does not start; the text has the end of its log.
        """
        installation = self._installation or find_installation()
        self.cluster_id = new_id()
        for attempt in range(1, STARTS + 1):
            self.nodes = self._plan(installation, self._directory / f"start-{attempt}")
            try:
                await self._start()
            except ServerExited:
                await self._end()
                # Somebody else may have taken one of the ports that we picked.
                if attempt == STARTS or all(node.ports_are_free for node in self.nodes):
                    raise
            except BaseException:
                await self._end()
                raise
            else:
                break
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all nodes; returns once they are gone. What they hold is not wanted any more."""
        await self._end()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect without encryption or authentication."""
        return self.address(PLAIN)

    def address(self, listener: str) -> str:
        """Where a listener is reached on every node, separated by commas."""
        return ",".join(node.address(listener) for node in self.nodes)

    def node(self, number: int) -> KafkaNode:
        """A node by its id, from 1."""
        return self.nodes[number - 1]

    async def create_topic(self, name: str, partitions: int = 1, **properties: object) -> None:
        """Create a topic with a replica on every node, or on as many as may be.

        Args:
            properties: Of the topic, with underscores for dots: ``cleanup_policy="compact"``.
        """
        broker = KafkaBroker(self._running, self.cluster_id, min(self._count, 3))
        await broker.create_topic(name, partitions, **properties)

    async def leader(self, topic: str, partition: int = 0) -> KafkaNode:
        """The node that leads a partition at this moment."""
        async with administration(self._running) as admin:
            (found,) = await admin.describe_topics([topic])
        return self.node(next(each["leader"] for each in found["partitions"] if each["partition"] == partition))

    @property
    def _running(self) -> str:
        return ",".join(node.address() for node in self.nodes if node.running)

    def _plan(self, installation: KafkaInstallation, directory: Path) -> tuple[KafkaNode, ...]:
        numbers = range(1, self._count + 1)
        names = [PLAIN, CONTROLLER, *self._listeners]
        picked: set[int] = set()
        while len(picked) < self._count * len(names):
            picked.add(pick_port())
        ports = {number: {name: picked.pop() for name in names} for number in numbers}
        voters = [f"{number}@{LOOPBACK}:{ports[number][CONTROLLER]}" for number in numbers]
        return tuple(
            KafkaNode(
                installation,
                NodePlan(
                    number=number,
                    cluster_id=self.cluster_id,
                    directory=directory / f"node-{number}",
                    ports=ports[number],
                    voters=voters,
                    listeners=self._listeners,
                    properties=self._properties,
                    jvm=self._jvm,
                    format_arguments=self._format_arguments,
                ),
            )
            for number in numbers
        )

    async def _start(self) -> None:
        async def bring_up(node: KafkaNode) -> None:
            await node.format()
            await node.launch()

        await asyncio.gather(*map(bring_up, self.nodes))
        members = {node.number for node in self.nodes}
        await asyncio.gather(*(node.until_ready(members) for node in self.nodes))

    async def _end(self) -> None:
        await asyncio.gather(*(node.kill() for node in self.nodes))
