"""Whose bearer tokens are taken: those that the settings name, and in development the platform's own.

The API and the key release each have an authenticator of their own, which this makes from the same settings.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.access.authentication import Authenticator
from agents.access.keeper import AccessKeeper
from agents.platform.identity import Identity
from schemas.errors import ConfigurationError
from sealstream.people.access import EMBEDDED_ISSUER, open_embedded_issuer
from sealstream.settings import Settings
from security.access.embedded_issuer import EmbeddedIssuer
from security.access.issuer import Issuer
from security.access.tokens import TokenVerifier
from streams.issuer_keys import IssuerKeys, fetch
from streams.jwks_endpoint import PIN_PREFIX, JwksAnswer, check_endpoint
from streams.storage.database import Database

_TYPES = frozenset({"at+jwt", "jwt"})


@asynccontextmanager
async def opened_authenticator(
    settings: Settings, database: Database, identity: Identity, keeper: AccessKeeper
) -> AsyncIterator[Authenticator]:
    """Says who somebody is; the keys of issuers are kept fresh while the body runs.

    Raises:
        ConfigurationError: An issuer has not its form.
    """
    embedded = await asyncio.to_thread(embedded_issuer, settings, identity)
    issuers = [parse_issuer(text, settings.api_audience) for text in settings.api_issuers]
    if embedded is not None:
        issuers.append(embedded.issuer)
    keys = issuer_keys(issuers, embedded)
    for issuer in issuers:
        await keys.refresh(issuer.url)
    async with keys.kept_fresh():
        yield Authenticator(database, identity, keeper, TokenVerifier(issuers, keys.keys), keys)


def embedded_issuer(settings: Settings, identity: Identity) -> EmbeddedIssuer | None:
    """The platform's own issuer; none in production, and none where keys are not ours to hold."""
    try:
        return open_embedded_issuer(settings, EMBEDDED_ISSUER, identity)
    except ConfigurationError:
        return None


def parse_issuer(text: str, audience: str) -> Issuer:
    """Read an issuer as the settings have it.

    Raises:
        ConfigurationError: It has not its form, or its tokens could be made by anybody.
    """
    words = text.split()
    if len(words) < 3:
        raise ConfigurationError("SEALSTREAM_API_ISSUERS: each is `URL JWKS_URL ALGORITHM[,ALGORITHM] [TYP] [PIN…]`")
    url, jwks_url, algorithms, *rest = words
    typ = rest.pop(0) if rest and rest[0].lower() in _TYPES else "at+jwt"
    if not all(each.startswith(PIN_PREFIX) for each in rest):
        raise ConfigurationError(f"SEALSTREAM_API_ISSUERS: a pin begins with {PIN_PREFIX}")
    check_endpoint(jwks_url, tuple(rest))
    return Issuer(
        url=url,
        audience=audience,
        algorithms=frozenset(algorithms.split(",")),
        typ=typ,
        jwks_url=jwks_url,
        pins=tuple(rest),
    )


def issuer_keys(issuers: list[Issuer], embedded: EmbeddedIssuer | None) -> IssuerKeys:
    """Holds their keys; the embedded issuer's are here already."""

    async def ask(issuer: Issuer, etag: str | None) -> JwksAnswer:
        if embedded is not None and issuer.url == embedded.issuer.url:
            return JwksAnswer(embedded.jwks(), None, None)
        return await fetch(issuer, etag)

    return IssuerKeys(issuers, ask)
