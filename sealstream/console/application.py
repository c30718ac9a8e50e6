"""The console within the API's application: its pages, files, and what every page passes before its route."""

from functools import cache
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import RedirectResponse

from sealstream.api.problems import not_found
from sealstream.console.assets import load_assets
from sealstream.console.chinese import common
from sealstream.console.pages import (
    access_requests,
    authenticator,
    catalogue,
    dead_letters,
    home,
    login,
    model_changes,
    models,
    policies,
    policy_effects,
    proofs,
    records,
    reviews,
    timeline,
    work,
)
from sealstream.console.rendering import Page, Rendering, make_rendering
from sealstream.console.routes import PageRoute
from sealstream.console.visits import ROOT, Visiting

PAGES: Final[tuple[Page, ...]] = (
    home.PAGE,
    work.PAGE,
    records.PAGE,
    reviews.PAGE,
    timeline.PAGE,
    proofs.PAGE,
    access_requests.PAGE,
    dead_letters.PAGE,
    policies.PAGE,
    model_changes.PAGE,
    policy_effects.PAGE,
    catalogue.PAGE,
    models.PAGE,
    authenticator.PAGE,
    login.PAGE,
)
"""In the order of the navigation. Whoever adds a page adds a line here."""


def attach_console(app: FastAPI) -> None:
    """Serve the console under its root."""
    app.state.console = _rendering()
    for router in (_files(), *(page.router for page in PAGES), _elsewhere()):
        app.router.routes += router.routes


@cache
def _rendering() -> Rendering:
    """One for all applications: a template is compiled once."""
    shared = Page(APIRouter(), common.TEXTS)
    return make_rendering((shared, *PAGES), load_assets(), ROOT)


def _files() -> APIRouter:
    router, assets = APIRouter(prefix=ROOT, include_in_schema=False), load_assets()

    @router.get("/static/{digest}/{name}")
    async def file(digest: str, name: str) -> Response:
        found = assets.files.get(name) if digest == assets.digest else None
        if found is None:
            raise not_found()
        lasting = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(found.body, media_type=found.media_type, headers=lasting)

    return router


def _elsewhere() -> APIRouter:
    """What is no page is answered with one, too."""
    router = APIRouter(prefix=ROOT, route_class=PageRoute, include_in_schema=False)

    @router.get("")
    async def root() -> Response:
        return RedirectResponse(f"{ROOT}/", 303)

    @router.get("/{path:path}")
    async def nothing(visit: Visiting, path: str) -> Response:
        raise not_found()

    return router
