"""An exchange of two bureaus, a provider and an authority, and their acts, for tests of approvals."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.leaf import AccessChange
from security.access.access_request import AccessRequest
from security.access.approval import SignedAct
from security.access.assertion import signed
from security.access.person import Duty, Person
from security.access.principal import Role
from security.jwk import Jwk
from security.signing import Ed25519Signer, Es256Signer, Signer

ORIGIN = "sealstream.local/logs/registry"
MADE = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def rfc3339(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def key_of(name: str) -> Signer:
    secret = name.encode().ljust(32, b".")
    return Es256Signer(name, secret) if name.startswith("es") else Ed25519Signer(name, secret)


def members(jwk: Jwk) -> Mapping[str, str]:
    found = jwk.to_members()
    found.pop("kid", None)
    return found


def person(name: str, tenant: str, department: str, *duties: Duty, **more: Any) -> Person:
    given: dict[str, Any] = {"roles": frozenset({Role.READER}), "tier": 2, "jwk": members(key_of(name).jwk)} | more
    return Person(person=name, tenant=tenant, department=department, duties=frozenset(duties), **given)


OFFICIAL = person("official", "gov", "social-security")
HEAD = person("head", "gov", "social-security", Duty.UNIT_HEAD)
DEPUTY = person("es-deputy", "gov", "social-security")
TAX_OFFICIAL = person("tax-official", "gov", "tax")
TAX_HEAD = person("tax-head", "gov", "tax", Duty.UNIT_HEAD)
PROVIDER = person("provider", "registry", "population", Duty.DATA_PROVIDER)
COLLEAGUE = person("colleague", "registry", "population")
AUTHORITY = person("authority", "exchange", "board", Duty.EXCHANGE_AUTHORITY)
SECOND_AUTHORITY = person("second-authority", "exchange", "board", Duty.EXCHANGE_AUTHORITY)
EVERYBODY = (
    OFFICIAL,
    HEAD,
    DEPUTY,
    TAX_OFFICIAL,
    TAX_HEAD,
    PROVIDER,
    COLLEAGUE,
    AUTHORITY,
    SECOND_AUTHORITY,
)
PEOPLE = {each.person: each for each in EVERYBODY}


def asked(by: Person = OFFICIAL, level: int = 2, made: dt.datetime = MADE, **more: Any) -> AccessRequest:
    given: dict[str, Any] = {
        "id": "5d4a2a3e-0a5e-4a50-9d0c-000000000001",
        "requester": by.person,
        "unit": by.unit,
        "reason": "case 17",
        "purpose": "casework",
        "basis": "Social Insurance Law, art. 81",
        "level": level,
        "provider": ("registry", "population"),
        "kind": "urn:schema:resident",
        "fields": ("id_number", "insurance_status"),
        "quota": 10,
        "made": rfc3339(made),
        "deadline": rfc3339(made + 2 * DAY),
        "step_seconds": 4 * 3600,
        "ends": rfc3339(made + 30 * DAY),
        "salt": "00" * 16,
    }
    return AccessRequest(**(given | more))


@dataclass(frozen=True)
class Desk:
    """Signs acts over one request."""

    request: AccessRequest
    origin: str = ORIGIN

    def act(
        self,
        by: Person,
        change: str,
        step: int | None = None,
        *,
        after: dt.timedelta = HOUR,
        signer: Signer | None = None,
        **more: Any,
    ) -> SignedAct:
        at = dt.datetime.fromisoformat(self.request.made) + after
        unsigned = AccessChange(change=change, digest=self.request.digest(), at=rfc3339(at), step=step, **more)
        return SignedAct(by.person, signed(self.origin, unsigned, signer or key_of(by.person)))

    def made(self, by: Person | None = None) -> SignedAct:
        asking = by or PEOPLE[self.request.requester]
        return self.act(asking, "request", after=dt.timedelta(0), level=self.request.level)


def without(act: SignedAct, **changes: Any) -> SignedAct:
    """An act whose row was changed afterwards."""
    return SignedAct(changes.pop("person", act.person), msgspec.structs.replace(act.change, **changes))
