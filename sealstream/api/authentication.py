"""From a request to who asks: the credential, its rate, and whether it is good for what the route does."""

import datetime as dt
import math
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from sealstream.api.parts import Parts
from sealstream.api.peers import certificate_of
from sealstream.api.problems import Problem, forbidden, unauthorized
from security.access.presented import Means, Presented
from security.access.principal import Action, NotAuthenticated, Principal, Role

KEY_PREFIX = "sk_"
# For the description alone: its own errors are not ours, so it raises none.
_scheme = HTTPBearer(
    scheme_name="credential", description="An access token of a known issuer, or an API key (`sk_…`)", auto_error=False
)


def parts_of(request: Request) -> Parts:
    """The collaborators."""
    found: Parts = request.app.state.parts
    return found


PartsOf = Annotated[Parts, Depends(parts_of)]


async def authenticated(request: Request, parts: PartsOf, _: Annotated[Any, Depends(_scheme)]) -> Principal:
    """Who asks.

    Raises:
        Problem: Nobody we know (401), or too often (429).
    """

    async def prove() -> Principal:
        shown = presented(_credential(request), certificate_of(request.scope))
        return await parts.authenticator.principal(shown, dt.datetime.now(dt.UTC))

    return await proved(request, parts, prove)


async def proved(request: Request, parts: Parts, prove: Callable[[], Awaitable[Principal]]) -> Principal:
    """Who asks, by whatever proves it; what fails counts against the address, what succeeds against the person.

    Raises:
        NotAuthenticated: Nobody we know.
        Problem: Likewise, or too often.
    """
    limits, address = parts.limits, request.client.host if request.client is not None else ""
    _see_rate(parts, "address", limits.failures.wait(address))
    try:
        who = await prove()
    except (NotAuthenticated, Problem):
        limits.failures.take(address)
        raise
    request.state.who = who
    _see_rate(parts, "person", limits.person.take(who.person))
    _see_rate(parts, "tenant", limits.tenant.take(who.tenant))
    return who


def presented(text: str, certificate: str | None) -> Presented:
    """An API key or an access token, as it was sent."""
    return Presented(Means.API_KEY if text.startswith(KEY_PREFIX) else Means.TOKEN, text, certificate)


Who = Annotated[Principal, Depends(authenticated)]


def permitted(action: Action, *roles: Role) -> Any:
    """Somebody with one of these roles, through a credential that is good for an action outside of any project."""

    async def check(who: Who) -> Principal:
        see_permitted(who, action, *roles)
        return who

    return Depends(check)


def see_permitted(who: Principal, action: Action, *roles: Role, project: str | None = None) -> None:
    """See that somebody may try.

    Raises:
        Problem: They may not.
    """
    if not who.may_use(action, project):
        raise forbidden(f"this credential is not good for {action.value} here")
    if not who.roles & set(roles):
        raise forbidden(f"this takes the role {' or '.join(sorted(roles))}")


def _credential(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if not given:
        raise unauthorized("no_credential", "this address takes an access token or an API key")
    scheme, _, credential = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not credential.strip():
        raise unauthorized("invalid_token", "the credential is one `Authorization: Bearer …`")
    return credential.strip()


def _see_rate(parts: Parts, by: str, seconds: float) -> None:
    if seconds:
        parts.metrics.limited.labels(by).inc()
        raise Problem(
            429, "rate_limited", f"too many requests of one {by}; wait", {"Retry-After": str(math.ceil(seconds))}
        )
