"""Whether the process is alive, and whether it can answer. Metrics are `application`'s."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request, Response

from sealstream.api.authentication import parts_of

router = APIRouter(include_in_schema=False)

READY_SECONDS: Final = 2.0


@router.get("/healthz")
async def alive() -> Response:
    """The process answers."""
    return Response(b'{"alive":true}', media_type="application/json")


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """The database answers, who may see what can be found out, and what opens fields is there."""
    parts = parts_of(request)
    try:
        async with asyncio.timeout(READY_SECONDS):
            await parts.database.answers()
            await parts.keeper.current()
            if parts.release is not None:
                await parts.release.answers()
    # Whatever it is: not ready.
    except Exception:
        return Response(b'{"ready":false}', 503, media_type="application/json")
    return Response(b'{"ready":true}', media_type="application/json")
