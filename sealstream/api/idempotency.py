"""Writes that are sent again: the first answer is kept and given again, and nothing is done twice.

A write whose process ended before it was answered stays unknown until its key is forgotten: doing it again might do it
twice. Whoever sent it looks what became of it.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Header, Request, Response
from pydantic import BaseModel

from sealstream.api.problems import Problem
from security.access.principal import Principal
from streams.storage.api_writes import begin_write, end_write, give_up_write
from streams.storage.database import Database

REPLAYED: Final = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,64}$",
        description="A write with a key that was used within 24 hours gets the first answer again",
    ),
]


class Writes:
    """Runs writes.

    Args:
        key: Keys the digests of requests, which may hold what is sealed elsewhere.
    """

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def once(
        self, request: Request, who: Principal, name: str | None, work: Callable[[], Awaitable[BaseModel]]
    ) -> Response:
        """Do the work, unless it was done under that key.

        Raises:
            Problem: The key was used for another request, or the first one is under way or was never answered.
        """
        if name is None:
            return _answer((await work()).model_dump_json().encode())
        digest = await self._digest(request)
        async with self._database.session(clean=True) as connection:
            found = await begin_write(connection, who.person, name, digest)
        if found is None:
            return await self._first(who, name, work)
        if not hmac.compare_digest(found.digest, digest):
            raise Problem(422, "idempotency_key_reused", "this idempotency key was used for another request")
        if found.status is None or found.body is None:
            raise Problem(
                409, "write_unanswered", "the first request with this key is under way, or ended unanswered; look at it"
            )
        return Response(found.body, found.status, {REPLAYED: "true"}, "application/json")

    async def _first(self, who: Principal, name: str, work: Callable[[], Awaitable[BaseModel]]) -> Response:
        try:
            body = (await work()).model_dump_json().encode()
        except Exception:
            async with self._database.session(clean=True) as connection:
                await give_up_write(connection, who.person, name)
            raise
        async with self._database.session(clean=True) as connection:
            await end_write(connection, who.person, name, 200, body)
        return _answer(body)

    async def _digest(self, request: Request) -> bytes:
        head = f"{request.method} {request.url.path}\n".encode()
        return hmac.new(self._key, head + await request.body(), hashlib.sha256).digest()


def _answer(body: bytes) -> Response:
    return Response(body, 200, media_type="application/json")
