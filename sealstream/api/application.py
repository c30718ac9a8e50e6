"""The application: routes, errors and guard over parts; and its description."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from prometheus_client.exposition import choose_encoder

from sealstream.api import (
    catalogue,
    classify,
    dead_letters,
    keys,
    logs,
    models,
    operations,
    policies,
    problems,
    projects,
    records,
    requests,
    reviews,
    work,
)
from sealstream.api.guard import REQUEST_ID, Guard
from sealstream.api.idempotency import REPLAYED
from sealstream.api.metrics import ApiMetrics
from sealstream.api.parts import Parts

TITLE: Final = "Sealstream"
DESCRIPTION: Final = (
    "Records field by field as policies allow, each look in the log; the log itself, its proofs, and the work. "
    "docs/api.md explains it."
)
PROBLEMS: Final = {
    "400": "The body, or a cursor, can't be read",
    "401": "No credential, or one that proves nothing",
    "403": "Not permitted to this person, or through this credential",
    "404": "Nothing of that name that you may see",
    "409": "It stands otherwise than this request takes for granted",
    "413": "The body is too large",
    "415": "The body is no JSON",
    "422": "The request has not its form",
    "429": "Too many requests; wait for Retry-After",
    "431": "Address and headers are too large",
    "500": "Failed on our side",
    "503": "Something that this needs is away now; wait for Retry-After",
}
_ROUTERS: Final = (
    records, projects, logs, dead_letters, reviews, models, keys, policies, catalogue, requests, work, classify,
)  # fmt: skip


def create_app(parts: Parts | None, attach_pages: Callable[[FastAPI], None] = lambda app: None) -> FastAPI:
    """The application.

    Args:
        parts: None for one that only describes itself.
        attach_pages: Adds what is not the API's, but behind the same guard: the console.
    """
    app = FastAPI(title=TITLE, openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts = parts
    problems.attach(app)
    for each in (*_ROUTERS, operations):
        # The routes themselves: an included router makes each anew at the first request, for a sixth of a second.
        app.router.routes += each.router.routes
    if parts is not None:
        _attach_metrics(app, parts.metrics)
        attach_pages(app)
        if parts.cors_origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=list(parts.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", REQUEST_ID],
                expose_headers=["ETag", "Retry-After", REPLAYED, REQUEST_ID],
            )
        app.add_middleware(Guard, metrics=parts.metrics, max_body=parts.limits.max_body, tls=parts.tls)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]  # how FastAPI wants it
    return app


def _attach_metrics(app: FastAPI, metrics: ApiMetrics) -> None:
    async def answer(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": content_type})

    app.add_api_route("/metrics", answer, include_in_schema=False)


def _described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI, with every error in its form."""
    if app.openapi_schema:
        return app.openapi_schema
    # A version of the interface: that of the product would change the document with each release.
    found = get_openapi(title=TITLE, version="1", description=DESCRIPTION, routes=app.routes)
    components = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    schema = problems.ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    components |= schema.pop("$defs") | {"Problem": schema}
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations_ in found["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations_.values():
                said = {status: {"description": text, "content": content} for status, text in PROBLEMS.items()}
                operation["responses"] = operation["responses"] | said
    app.openapi_schema = found
    return found
