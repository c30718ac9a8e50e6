"""Whose bearer tokens we take, and by which keys. Checking a token is security.access.tokens; fetching keys is streams.

Keys are read from an issuer's JWK Set, and only from there: whatever a token brings along is refused.
"""

import datetime as dt
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from schemas.errors import ConfigurationError
from security.jwk import MAX_JWKS_KEYS, MAX_KEY_ID_LENGTH, json_object
from security.public_key import InvalidKeyError

MIN_RSA_BITS: Final = 2_048
MAX_SKEW: Final = dt.timedelta(minutes=2)

_ALGORITHMS: Final[Mapping[str, tuple[str, str | None]]] = MappingProxyType(
    {
        "RS256": ("RSA", None),
        "PS256": ("RSA", None),
        "PS384": ("RSA", None),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "Ed25519": ("OKP", "Ed25519"),
    }
)
"""Signatures by a private key that only the issuer has: no `none`, and no MAC, whose key we would hold too."""

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer, and how its tokens must look. Whatever a token says of itself can only be refused by this.

    Attributes:
        url: What `iss` says, exactly.
        audience: What `aud` must name: us.
        algorithms: Signatures that are taken; one, unless the issuer is changing over.
        typ: What the header's `typ` must say: `at+jwt` (RFC 9068), or `JWT` of older issuers.
        max_lifetime: From now to `exp`; a token that lives longer is refused.
        skew: How wrong the clocks may be.
        jwks_url: Where its keys are.
        pins: Of the server of that; see streams.jwks_endpoint.

    Raises:
        ConfigurationError: Something of that would take tokens that anybody can make, or none at all.
    """

    url: str
    audience: str
    algorithms: frozenset[str]
    typ: str = "at+jwt"
    max_lifetime: dt.timedelta = dt.timedelta(hours=12)
    skew: dt.timedelta = dt.timedelta(seconds=30)
    jwks_url: str | None = None
    pins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.url or not self.audience or self.typ.lower() not in {"at+jwt", "jwt"}:
            raise ConfigurationError("an issuer has a URL, an audience, and tokens of typ at+jwt or JWT")
        if not self.algorithms or not self.algorithms <= _ALGORITHMS.keys():
            raise ConfigurationError(f"an issuer signs with one of {', '.join(_ALGORITHMS)}")
        if not dt.timedelta(0) <= self.skew <= MAX_SKEW or self.max_lifetime <= dt.timedelta(0):
            raise ConfigurationError(f"an issuer's clock may be wrong by up to {MAX_SKEW.total_seconds():g} s")


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key of an issuer.

    Attributes:
        algorithms: What it may verify: those that fit it and its issuer.
    """

    key: Key
    algorithms: frozenset[str]


def read_issuer_keys(issuer: Issuer, body: bytes) -> Mapping[str, IssuerKey]:
    """The usable keys of an issuer's JWK Set, by `kid`. Keys that can't verify its tokens are left out.

    Raises:
        InvalidKeyError: It is no JWK Set, gives a private or a shared key away, names a key twice, or has none for us.
    """
    entries = json_object(body).get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_JWKS_KEYS:
        raise InvalidKeyError(f'a JWK Set is an object with a list "keys" of at most {MAX_JWKS_KEYS}')
    found: dict[str, IssuerKey] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        if not _PRIVATE.isdisjoint(entry):
            raise InvalidKeyError("an issuer's JWK Set gives a secret key away; its tokens can't be trusted")
        name = entry.get("kid")
        key = _usable(issuer, entry)
        if key is None or not isinstance(name, str) or not 0 < len(name) <= MAX_KEY_ID_LENGTH:
            continue
        if name in found:
            raise InvalidKeyError("two keys of an issuer's JWK Set share a kid")
        found[name] = key
    if not found:
        raise InvalidKeyError("an issuer's JWK Set holds no key that its tokens could be signed with")
    return MappingProxyType(found)


def _usable(issuer: Issuer, entry: Mapping[str, object]) -> IssuerKey | None:
    kind = entry.get("kty"), entry.get("crv") if entry.get("kty") != "RSA" else None
    algorithms = frozenset(name for name in issuer.algorithms if _ALGORITHMS[name] == kind)
    named = entry.get("alg")
    if named is not None:
        # The name that RFC 8037 gave it, before RFC 9864 named the curve.
        named = "Ed25519" if named == "EdDSA" else named
        algorithms = algorithms & {named} if isinstance(named, str) else frozenset()
    if not algorithms or entry.get("use", "sig") != "sig":
        return None
    kty = str(kind[0])
    said = {name: entry.get(name) for name in _MEMBERS[kty]}
    members = {name: value for name, value in said.items() if isinstance(value, str)}
    if len(members) != len(said):
        return None
    try:
        key = _imported(kty, members)
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, OverflowError):
        return None
    return IssuerKey(key, algorithms)


def _imported(kty: str, members: dict[str, str]) -> Key:
    # What we would leave out anyway need not be warned about.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        match kty:
            case "RSA":
                return RSAKey.import_key({**members})
            case "EC":
                return ECKey.import_key({**members})
            case _:
                return OKPKey.import_key({**members})


_MEMBERS: Final = MappingProxyType(
    {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
)
