"""What a person signs in the browser: the page that asks for it, and reading what comes back.

No challenge is kept: it is the digest of the statement itself, which names the log, what is done, to what and when. An
act counts within five minutes and once, since each changes what the next one would have to say.
"""

from collections.abc import Mapping

import msgspec
from fastapi import Response
from pydantic import ValidationError

from schemas.leaf import AccessChange
from sealstream.api.problems import Problem
from sealstream.api.requests import SignedBody
from sealstream.console.visits import ROOT, Visit
from security.access.access_request import AccessRequest
from security.access.assertion import statement


def sign_page(
    visit: Visit,
    tenant: str,
    change: AccessChange,
    explanation: str,
    *,
    to: str,
    request: AccessRequest | None = None,
    carried: Mapping[str, str] | None = None,
) -> Response:
    """The page on which an act is signed.

    Args:
        tenant: Whose log gets it.
        to: Where it goes on, signed.
        request: That the act is over, shown beside it.
        carried: What goes on with it.
    """
    return visit.page(
        "sign.html",
        explanation=explanation,
        action=f"{ROOT}{to}",
        party=visit.parts.party,
        statement=statement(visit.parts.identity.origin(tenant), change).decode(),
        asked=request,
        carried={"act": msgspec.json.encode(change).decode()} | dict(carried or {}),
    )


def signed_body(visit: Visit) -> SignedBody:
    """The act that was posted, with what an authenticator said to it.

    Raises:
        Problem: It has not its form.
    """
    try:
        members = msgspec.json.decode(visit.form.one("act"), type=dict[str, object])
        return SignedBody.model_validate(members | {"assertion": visit.form.one("assertion")})
    except (ValidationError, msgspec.MsgspecError):
        raise Problem(422, "invalid_request", "a field has not its form") from None
