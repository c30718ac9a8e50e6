"""OAuth 2 bearer tokens (JWT, RFC 8725): what is checked, and in which order. Whose they are is security.access.issuer.

A token proves who somebody is, and nothing about what they may do: roles, units and tiers are ours to grant.
"""

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from joserfc import jws
from joserfc.errors import JoseError

from schemas.errors import ConfigurationError
from security.access.issuer import Issuer, IssuerKey
from security.access.principal import NotAuthenticated

MAX_TOKEN_BYTES: Final = 8_192
MAX_SUBJECT: Final = 256

_HEADER: Final = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""Everything else would bring a key (`jwk`, `jku`, `x5c`, `x5u`) or change what is signed (`b64`, `crit`, `zip`)."""

_MAX_TIME: Final = 1 << 40

KeysOf = Callable[[str], Mapping[str, IssuerKey]]
"""The keys of an issuer by its URL, as they are known now; none while they are not known."""


@dataclass(frozen=True, slots=True)
class Proved:
    """What a token proves.

    Attributes:
        expires: From then on it proves nothing.
        certificate: Thumbprint (`x5t#S256`) of the client certificate that it is bound to (RFC 8705); None for a token
            that whoever has it may use.
    """

    issuer: str
    subject: str
    expires: dt.datetime
    certificate: str | None = None


class UnknownKey(NotAuthenticated):
    """A token names a key that its issuer's JWK Set did not have when we last looked; it may be a new one."""

    def __init__(self, issuer: str) -> None:
        super().__init__("invalid_token", "the token is not signed by a key of its issuer")
        self.issuer = issuer


class TokenVerifier:
    """Checks tokens.

    Args:
        issuers: Whose tokens are taken.
        keys: Gives their keys.

    Raises:
        ConfigurationError: Two issuers share a URL.
    """

    def __init__(self, issuers: Iterable[Issuer], keys: KeysOf) -> None:
        listed = list(issuers)
        self._issuers = {issuer.url: issuer for issuer in listed}
        if len(self._issuers) != len(listed):
            raise ConfigurationError("two issuers have the same URL; which keys count would be a matter of luck")
        self._keys = keys

    def verify(self, token: str, now: dt.datetime) -> Proved:
        """Check a token.

        Raises:
            UnknownKey: Its key is not there; ask again once the issuer's keys were fetched.
            NotAuthenticated: It proves nothing.
        """
        header, claims = _parts(token)
        issuer = self._issuers.get(_text(claims, "iss"))
        if issuer is None:
            _refuse("its issuer is not known here")
        algorithm, name = _text(header, "alg"), _text(header, "kid")
        if algorithm not in issuer.algorithms:
            _refuse("its algorithm is not its issuer's")
        if _media_type(_text(header, "typ")) != issuer.typ.lower():
            _refuse("it is not an access token (typ)")
        key = self._keys(issuer.url).get(name)
        if key is None:
            raise UnknownKey(issuer.url)
        if algorithm not in key.algorithms:
            _refuse("its algorithm is not its key's")
        try:
            jws.deserialize_compact(token, key.key, [algorithm])
        except (JoseError, ValueError, TypeError):
            _refuse("its signature does not verify")
        # Only now does anything that the claims say count.
        return _proved(issuer, claims, now.timestamp())


def _proved(issuer: Issuer, claims: Mapping[str, Any], now: float) -> Proved:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named) or issuer.audience not in named:
        _refuse("it is not for us (aud)")
    skew = issuer.skew.total_seconds()
    expires = _moment(claims, "exp")
    if expires is None:
        _refuse("it never expires (exp)")
    if now >= expires + skew:
        raise NotAuthenticated("token_expired", "the token has expired; get a new one from its issuer")
    if expires - now > issuer.max_lifetime.total_seconds() + skew:
        _refuse("it lives longer than its issuer's tokens may")
    if any((moment := _moment(claims, name)) is not None and moment > now + skew for name in ("nbf", "iat")):
        raise NotAuthenticated("token_not_yet_valid", "the token is not valid yet; are the clocks right?")
    subject = _text(claims, "sub")
    if len(subject) > MAX_SUBJECT or not subject.isprintable():
        _refuse("its subject has not the form of one")
    return Proved(issuer.url, subject, dt.datetime.fromtimestamp(expires, dt.UTC), _certificate(claims))


def _certificate(claims: Mapping[str, Any]) -> str | None:
    """The certificate that a token is bound to. A binding that we can't see to is no token for whoever bears it."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict) or confirmation.keys() != {"x5t#S256"}:
        _refuse("it is bound to a key in another way than by a client certificate (cnf)")
    return _text(confirmation, "x5t#S256")


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        _refuse("it is too long, or no token")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        _refuse("it is not three parts with a signature")
    header, claims = _object(parts[0]), _object(parts[1])
    if not header.keys() <= _HEADER:
        _refuse("its header brings what a header may not")
    return header, claims


def _object(part: str) -> Mapping[str, Any]:
    """A JSON object in base64url, whose members are each there once: parsers differ in which of two counts."""
    try:
        body = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        if base64.urlsafe_b64encode(body).rstrip(b"=").decode() != part:
            _refuse("it is not base64url")
        found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("it holds no JSON")
    if not isinstance(found, dict):
        _refuse("it holds no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("no number")


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        _refuse(f"it has no {name}")
    return value


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_TIME:
        _refuse(f"its {name} is no time")
    return float(value)


def _media_type(typ: str) -> str:
    return typ.lower().removeprefix("application/")


def _refuse(why: str) -> NoReturn:
    raise NotAuthenticated("invalid_token", f"the token is refused: {why}") from None
