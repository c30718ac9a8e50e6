"""Answers that never change, or change together with a digest: ETag and If-None-Match (RFC 9110, section 13.1.2)."""

import hashlib
from collections.abc import Mapping

from fastapi import Request, Response


def tagged(request: Request, body: bytes, headers: Mapping[str, str], media_type: str | None = None) -> Response:
    """The answer, or 304 where the client has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    said = {"ETag": tag, **headers}
    if _matches(request.headers.get("if-none-match", ""), tag):
        said.pop("Content-Type", None)
        return Response(status_code=304, headers=said)
    return Response(body, headers=said, media_type=media_type)


def _matches(asked: str, tag: str) -> bool:
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in asked.split(","))
