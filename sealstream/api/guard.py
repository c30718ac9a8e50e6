"""What stands before every route: request ids, size and form of bodies, headers of answers, the access log, metrics.

Plain ASGI, and one for all of that: each layer of the framework's own kind would cost a task.
"""

import re
import time
from collections.abc import MutableMapping
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealstream.api.metrics import ApiMetrics
from sealstream.api.problems import Problem, problem_of, problem_response

log = structlog.get_logger(__name__)

REQUEST_ID: Final = "X-Request-Id"
HEAD_BYTES: Final = 16_384
CONSOLE: Final = "/console/"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS: Final = "max-age=31536000"


class Guard:
    """The layer.

    Args:
        max_body: Bytes of a request's body.
        tls: Whether answers go out over TLS of ours.
    """

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics, max_body: int, tls: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body = max_body
        self._headers = _HEADERS | ({"Strict-Transport-Security": _HSTS} if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given = Headers(scope=scope).get(REQUEST_ID, "")
        name = given if _GOOD_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = name
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(MutableHeaders(scope=message), name)
            await send(message)

        try:
            await self._answer(scope, receive, sending, lambda: status != 0)
        finally:
            self._tell(scope, name, status or 499, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, begun: Any) -> None:
        try:
            self._check(scope)
            await self._app(scope, self._bounded(receive), send)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
        except Exception as exc:
            # Whatever it is: its text may quote anything, and no client gets to see it.
            log.error("api.fault", error=type(exc).__name__, request=scope["state"]["request_id"], exc_info=exc)
            if begun():
                raise
            await problem_response(problem_of(exc))(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        head = len(scope["raw_path"]) + len(scope["query_string"])
        # The server bounds what it waits for, and takes whatever one read brings.
        if head + sum([len(name) + len(value) for name, value in scope["headers"]]) > HEAD_BYTES:
            raise Problem(431, "head_too_large", f"address and headers have at most {HEAD_BYTES} bytes")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > self._max_body:
            raise self._too_large()
        if scope["method"] in _WITH_BODY:
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            # Forms belong to the console, where they have to show that they are ours.
            taken = "application/x-www-form-urlencoded" if scope["path"].startswith(CONSOLE) else "application/json"
            if kind != taken or headers.get("content-encoding", "identity") != "identity":
                raise Problem(415, "unsupported_media_type", f"a body is {taken} here, not encoded any further")

    def _bounded(self, receive: Receive) -> Receive:
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._max_body:
                    raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> Problem:
        most = f"a request's body has at most {self._max_body} bytes"
        return Problem(413, "too_large", most, {"Connection": "close"})

    def _complete(self, headers: MutableHeaders, name: str) -> None:
        headers[REQUEST_ID] = name
        for key, value in self._headers.items():
            headers.setdefault(key, value)
        headers.setdefault("Cache-Control", "no-store")

    def _tell(self, scope: MutableMapping[str, Any], name: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        self._metrics.answered(scope["method"], route, status, seconds)
        who = scope["state"].get("who")
        # The route, not the path; no query: neither ids nor values stand in a log.
        log.info(
            "api.request",
            request=name,
            method=scope["method"] if len(scope["method"]) <= 7 else "other",
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            tenant=who.tenant if who is not None else None,
        )
