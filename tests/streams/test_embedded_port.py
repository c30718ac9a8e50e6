import socket
from pathlib import Path
from typing import cast

import pytest

from schemas.errors import ConfigurationError
from streams.embedded import ServerExited
from streams.embedded.port import LOOPBACK, is_free, pick_port, start_on_port
from streams.embedded.process import ServerProcess

STARTED = cast(ServerProcess, object())  # passed through, never looked at


def occupy(port: int) -> socket.socket:
    return socket.create_server((LOOPBACK, port))


def ended() -> ServerExited:
    return ServerExited("test server", 0, Path("server.log"), "Address in use")


def test_a_picked_port_is_free_and_an_occupied_one_is_not() -> None:
    port = pick_port()
    with occupy(port):
        assert not is_free(port)
    assert is_free(port)


async def test_a_picked_port_lost_in_a_race_is_replaced() -> None:
    lost: list[socket.socket] = []

    async def start(port: int) -> ServerProcess:
        if len(lost) < 2:
            lost.append(occupy(port))
            raise ended()
        return STARTED

    try:
        port, process = await start_on_port(None, start)
        assert process is STARTED
        assert port not in {listener.getsockname()[1] for listener in lost}
    finally:
        for listener in lost:
            listener.close()


async def test_a_server_that_always_loses_its_port_is_given_up() -> None:
    lost: list[socket.socket] = []

    async def start(port: int) -> ServerProcess:
        lost.append(occupy(port))
        raise ended()

    try:
        with pytest.raises(ServerExited):
            await start_on_port(None, start)
        assert len(lost) == 5
    finally:
        for listener in lost:
            listener.close()


async def test_an_exit_for_another_reason_is_not_tried_again() -> None:
    tried: list[int] = []

    async def start(port: int) -> ServerProcess:
        tried.append(port)
        raise ended()

    with pytest.raises(ServerExited):
        await start_on_port(None, start)
    assert len(tried) == 1


@pytest.mark.parametrize("port", [-1, 0, 65_536])
async def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    async def start(port: int) -> ServerProcess:
        pytest.fail("must not start")

    with pytest.raises(ConfigurationError, match="is not a TCP port"):
        await start_on_port(port, start)
