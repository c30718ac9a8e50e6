"""Starting and ending aiokafka producers in bounded time, and what else of their private parts we touch.

``tests/streams/test_producers.py`` fails when a new aiokafka renames one of those.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from aiokafka import AIOKafkaProducer

from schemas.errors import ConfigurationError

STOP_SECONDS: Final = 5.0


async def stop(producer: AIOKafkaProducer, *, patience: float = STOP_SECONDS) -> None:
    """Stop a producer; one whose broker does not answer is given up.

    A producer with transactions repeats what it could not send without end, and its own `stop` waits for that.
    """
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait([stopping], timeout=patience)
    if done:
        if not stopping.cancelled():
            stopping.exception()  # whatever it was, the producer is not used again
        return
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    tasks = list(_tasks(producer))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await producer.client.close()


def _tasks(producer: AIOKafkaProducer) -> Iterator["asyncio.Task[object]"]:
    """The tasks that a producer's sender started. It keeps no list of them."""
    sender = getattr(producer, "_sender", None)
    if sender is None:
        raise ConfigurationError("this aiokafka has no AIOKafkaProducer._sender; install the locked version")
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_locals.get("self") is sender:
            yield task
