"""Whose bearer tokens the API takes: those that the settings name, and in development the platform's own."""

from schemas.errors import ConfigurationError
from security.access.embedded_issuer import EmbeddedIssuer
from security.access.issuer import Issuer
from streams.issuer_keys import IssuerKeys, fetch
from streams.jwks_endpoint import PIN_PREFIX, JwksAnswer, check_endpoint

_TYPES = frozenset({"at+jwt", "jwt"})


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
