"""The console within the API's application: its pages, files, and what every page passes before its route."""

from typing import Final

from fastapi import APIRouter, Depends, FastAPI, Response
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
from sealstream.console.rendering import Page, make_rendering
from sealstream.console.routes import pages_router
from sealstream.console.visits import ROOT, Visiting, see_form

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
    shared = Page(APIRouter(), common.TEXTS)
    app.state.console = make_rendering((shared, *PAGES), load_assets(), ROOT)
    app.include_router(_files(), include_in_schema=False)
    for page in PAGES:
        app.include_router(page.router, include_in_schema=False, dependencies=[Depends(see_form)])
    app.include_router(_elsewhere(), include_in_schema=False)


def _files() -> APIRouter:
    router, assets = APIRouter(prefix=ROOT), load_assets()

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
    router = pages_router()

    @router.get("")
    async def root() -> Response:
        return RedirectResponse(f"{ROOT}/", 303)

    @router.get("/{path:path}")
    async def nothing(visit: Visiting, path: str) -> Response:
        raise not_found()

    return router
