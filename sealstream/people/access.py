"""Building the parts of access control from the settings, and signing acts with a person's key file."""

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import uuid4

from agents.access.approvals import Approvals
from agents.access.catalogue_keeper import CatalogueKeeper
from agents.access.keeper import Access, AccessKeeper
from agents.access.policy_keeper import PolicyKeeper
from agents.access.registrar import AccessRegistrar
from agents.keys.key_leaf import rfc3339
from agents.platform.catalogue_in_force import catalogue_rows
from agents.platform.identity import Identity
from agents.platform.vouching import Voucher
from schemas.catalogue import Catalogue
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from sealstream.attachment import attached_settings
from sealstream.people.personal_keys import open_personal_signer
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity
from security.access.access_request import AccessRequest
from security.access.approval import SignedAct
from security.access.assertion import signed
from security.access.decision import Question
from security.access.embedded_issuer import EmbeddedIssuer
from security.access.person import Person
from security.access.principal import Action, Method
from security.access.request import Circumstances, FieldFacts, RecordFacts
from security.commitment import SALT_BYTES
from streams.storage.database import Database
from streams.storage.keys import list_signing_keys

EMBEDDED_ISSUER = "urn:sealstream:embedded-issuer"
"""What tokens of the issuer that `sealstream up` comes with name as `iss`."""
_ISSUER_KEY = "issuer"

USUAL_PURPOSES = ("audit", "casework", "operations", "reconciliation")
"""Those that the shipped policies know; versions are compared for these unless somebody names others."""


@dataclass(frozen=True, slots=True)
class AccessParts:
    """What commands work with."""

    database: Database
    identity: Identity
    actor: str | None

    @property
    def registrar(self) -> AccessRegistrar:
        """Registers people and API keys."""
        return AccessRegistrar(self.database, self.identity, actor=self.actor)

    @property
    def approvals(self) -> Approvals:
        """Takes in requests and the steps over them."""
        return Approvals(self.database, self.identity)

    @property
    def policies(self) -> PolicyKeeper:
        """Takes in versions of the policies."""
        return PolicyKeeper(self.database, self.identity)

    @property
    def entries(self) -> CatalogueKeeper:
        """Takes in entries of the catalogue."""
        return CatalogueKeeper(self.database, self.identity)

    async def current(self) -> Access:
        """What holds now."""
        return await AccessKeeper(self.database, self.identity).current()

    async def catalogue(self) -> Catalogue:
        """The fields of every kind of record."""
        voucher = await asyncio.to_thread(Voucher, self.identity.keyring)
        async with self.database.session() as connection:
            return Catalogue.from_rows(await catalogue_rows(connection, voucher))

    async def owners(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Tenant, domain and sources of everybody whose records come in."""
        return await record_owners(self.database)


async def record_owners(database: Database) -> list[tuple[str, str, tuple[str, ...]]]:
    """Tenant, domain and sources of everybody whose records come in."""
    async with database.session() as connection:
        rows = await list_signing_keys(connection)
    return sorted({(row.tenant, row.domain, tuple(row.sources)) for row in rows})


@asynccontextmanager
async def access_parts(actor: str | None = None) -> AsyncIterator[AccessParts]:
    """The parts, over the configured database and keyring."""
    settings = attached_settings()
    identity = open_identity(settings)
    async with connected(settings, "access", connections=2) as database:
        yield AccessParts(database, identity, actor)


def open_embedded_issuer(settings: Settings, url: str, identity: Identity) -> EmbeddedIssuer:
    """The issuer that `sealstream up` comes with.

    Raises:
        ConfigurationError: In production: it takes everybody at their word.
    """
    if settings.env == "production":
        raise ConfigurationError(
            "the embedded issuer takes everybody at their word and is refused when SEALSTREAM_ENV=production; "
            "name your organisation's issuer instead, see docs/access.md"
        )
    return EmbeddedIssuer(url, settings.api_audience, identity.keyring.signing_seed(_ISSUER_KEY))


def sign_act(key: str, person: str, origin: str, change: AccessChange) -> SignedAct:
    """An act, signed by a person's key; see `sealstream.people.personal_keys`, also for what it raises."""
    return SignedAct(person, signed(origin, change, open_personal_signer(key)))


def timed_request(
    person: Person,
    *,
    lasts: dt.timedelta,
    decided_within: dt.timedelta,
    each_step_within: dt.timedelta,
    **what: Any,
) -> AccessRequest:
    """A new request of a person, made now.

    Args:
        what: The members that are theirs to say; see `AccessRequest`.
    """
    now = dt.datetime.now(dt.UTC)
    return AccessRequest(
        id=str(uuid4()),
        requester=person.person,
        unit=person.unit,
        made=rfc3339(now),
        deadline=rfc3339(now + min(decided_within, lasts)),
        step_seconds=each_step_within // dt.timedelta(seconds=1),
        ends=rfc3339(now + lasts),
        salt=os.urandom(SALT_BYTES).hex(),
        **what,
    )


def now_said() -> str:
    """Now, as acts say it."""
    return rfc3339(dt.datetime.now(dt.UTC))


def catalogued_fields(catalogue: Catalogue, tenant: str, kind: str) -> tuple[FieldFacts, ...]:
    """The fields of a kind of record.

    Raises:
        ConfigurationError: The catalogue has no such kind.
    """
    found = catalogue.fields(tenant, kind)
    if not found:
        raise ConfigurationError(f"the catalogue has no kind of record {kind!r} for tenant {tenant!r}")
    return tuple([FieldFacts(spec.name, spec.tier, spec.sharing) for _, spec in sorted(found.items())])


def population(
    access: Access,
    catalogue: Catalogue,
    owners: list[tuple[str, str, tuple[str, ...]]],
    purposes: Sequence[str],
    now: dt.datetime,
) -> Iterator[Question]:
    """Everybody's reading of every kind of record of everybody, for these purposes, without and with an approval.

    A source that is a prefix stands for itself: policies that name single sources under it are not told apart.
    """
    people = [each.principal(Method.LOCAL) for each in access.people.values() if each.active]
    for who, (tenant, domain, sources), purpose in product(people, owners, purposes):
        for kind, source in product(catalogue.record_types(tenant), sources):
            fields = catalogued_fields(catalogue, tenant, kind)
            facts = RecordFacts(tenant=tenant, domain=domain, source=source, kind=kind)
            for level in range(4):
                approvals = tuple((each.name, level) for each in fields) if level else ()
                where = Circumstances(purpose=purpose, time=now, approvals=approvals)
                yield Question(who, Action.READ, facts, fields, where)
