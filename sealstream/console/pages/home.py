"""The overview: who is logged in, and what waits for them."""

import datetime as dt
from typing import Final

from fastapi import Response

from sealstream.console.chinese import home as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visiting
from security.access.approval import possible_acts
from security.access.principal import Role

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/", "Overview", frozenset(Role))])


@router.get("/")
async def overview(visit: Visiting) -> Response:
    """The first page after a login."""
    access, now = await visit.parts.keeper.current(), dt.datetime.now(dt.UTC)
    person = access.people[visit.who.person]
    waiting = [each for each in access.requests if "approve" in possible_acts(each.standing, person, now)]
    session = await visit.parts.authenticator.session(visit.login or "", now)
    return visit.page(
        "home.html",
        duties=sorted(person.duties),
        waiting=len(waiting),
        has_key=person.key is not None,
        ends=session.ends,
    )
