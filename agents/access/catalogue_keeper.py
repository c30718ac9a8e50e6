"""Changing the catalogue: an administrator proposes an entry, the provider of the data adopts it; both sign.

What everybody's records are kept by (tenant `*`) has no provider: an administrator of another unit adopts it. The
leaves are in the tenant's log, or in the platform's. From its adoption on no commit is made by the former version.
"""

import asyncio
from dataclasses import replace

from agents.access.keeper import registered_people
from agents.access.signer import acting_as_signer, see_another_unit, see_signed_for, signer_of
from agents.platform.catalogue_in_force import catalogue_rows
from agents.platform.identity import Identity
from agents.platform.vouching import Vouching
from schemas.catalogue import ANY_TENANT, Catalogue
from schemas.catalogue_entry import CatalogueEntry
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from schemas.tenant import PLATFORM_TENANT
from security.access.approval import ApprovalRefused, SignedAct, check_clock
from security.access.assertion import RelyingParty
from security.access.person import Duty, Person
from security.access.principal import Role
from streams.storage import catalogue
from streams.storage.catalogue import EntryRow
from streams.storage.database import Database
from streams.storage.registry import changing_registry

PROPOSE, ADOPT = "propose_entry", "adopt_entry"


def entry_act(change: str, version: int, entry: CatalogueEntry, at: str) -> AccessChange:
    """What is signed for a version: `propose_entry` or `adopt_entry`."""
    return AccessChange(change=change, id=entry.kind, version=version, digest=entry.digest(), at=at)


def log_tenant(tenant: str) -> str:
    """Whose log has the leaves about an entry."""
    return PLATFORM_TENANT if tenant == ANY_TENANT else tenant


class CatalogueKeeper:
    """Takes in proposals and adoptions.

    Args:
        party: As for `agents.access.approvals.Approvals`.
    """

    def __init__(self, database: Database, identity: Identity, *, party: RelyingParty | None = None) -> None:
        self._database = database
        self._identity = identity
        self._party = party

    async def propose(self, entry: CatalogueEntry, act: SignedAct) -> EntryRow:
        """Store a version that is not in force.

        Raises:
            BadAssertion, ApprovalRefused: Its proposer did not sign it, or may not propose.
            ConfigurationError: Another version came in between, or it changes by what stored records are found.
        """
        log = log_tenant(entry.tenant)
        signatory, voucher = await acting_as_signer(self._database, self._identity, act, log)
        async with signatory.acting() as work, changing_registry(work.connection):
            check_clock(act.change, work.moment)
            known = await registered_people(work.connection, voucher)
            proposer = self._signer(act, known, PROPOSE, entry)
            if Role.ADMINISTRATOR not in proposer.roles:
                raise ApprovalRefused("not_entitled", "entries of the catalogue are proposed by administrators")
            _see_searches_kept(Catalogue.from_rows(await catalogue_rows(work.connection, voucher)), entry)
            versions = await catalogue.entry_versions(work.connection, entry.tenant, entry.kind)
            row = EntryRow(
                tenant=entry.tenant,
                record_type=entry.kind,
                version=len(versions) + 1,
                based_on=_in_force(versions),
                text=entry.text(),
                digest=entry.digest(),
                proposer=act.person,
            )
            if act.change.version != row.version:
                raise ConfigurationError(f"the next version is {row.version}; look at what came in between")
            await catalogue.insert_entry(work.connection, row)
            await work.say(log, "catalogue", access=act.change)
        return row

    async def adopt(self, entry: CatalogueEntry, act: SignedAct) -> EntryRow:
        """Put a proposed version in force: exactly this entry, which its approver signed.

        Raises:
            BadAssertion, ApprovalRefused: Its approver did not sign it, or may not approve it.
            ConfigurationError: There is no such proposal, or it was made for another version than is in force.
        """
        log = log_tenant(entry.tenant)
        signatory, voucher = await acting_as_signer(self._database, self._identity, act, log)
        async with signatory.acting() as work, changing_registry(work.connection):
            check_clock(act.change, work.moment)
            versions = await catalogue.entry_versions(work.connection, entry.tenant, entry.kind)
            row = self._adopted(versions, entry, act, await registered_people(work.connection, voucher))
            mac = await asyncio.to_thread(voucher.adopted_entry, row, act, self._party)
            row = replace(row, mac=mac)
            await catalogue.adopt_entry(work.connection, row)
            await work.say(log, "catalogue", access=act.change)
        return row

    async def adoptable(self, tenant: str, kind: str, act: SignedAct, voucher: Vouching) -> EntryRow:
        """The proposal that an act adopts, as it would be stored but for its MAC; raises as `adopt`."""
        async with self._database.session() as connection:
            versions = await catalogue.entry_versions(connection, tenant, kind)
            check_clock(act.change, await connection.fetchval("SELECT clock_timestamp()"))
            texts = [each.text for each in versions if each.version == act.change.version]
            if not texts:
                raise ConfigurationError("there is no such proposal; `sealstream catalogue list` names them")
            entry = CatalogueEntry.parse(texts[0])
            return self._adopted(versions, entry, act, await registered_people(connection, voucher))

    def _adopted(
        self, versions: list[EntryRow], entry: CatalogueEntry, act: SignedAct, known: dict[str, Person]
    ) -> EntryRow:
        row = next((each for each in versions if each.version == act.change.version), None)
        approver = self._signer(act, known, ADOPT, entry)
        if row is None or row.adopter is not None or row.digest != entry.digest():
            raise ConfigurationError("there is no such proposal; `sealstream catalogue list` names them")
        if row.based_on != _in_force(versions):
            raise ConfigurationError("it was proposed for another version than is in force; propose it anew")
        if not may_adopt(approver, entry):
            whose = "an administrator" if entry.tenant == ANY_TENANT else f"a data provider of {entry.provider!r}"
            raise ApprovalRefused("not_entitled", f"this entry is adopted by {whose}")
        other = "entries are adopted by somebody of another unit than the proposer"
        see_another_unit(known.get(row.proposer), approver, other)
        return replace(row, adopter=approver.person)

    async def next_version(self, tenant: str, kind: str) -> int:
        """The number of an entry's next proposal."""
        async with self._database.session() as connection:
            return len(await catalogue.entry_versions(connection, tenant, kind)) + 1

    def _signer(self, act: SignedAct, known: dict[str, Person], change: str, entry: CatalogueEntry) -> Person:
        person = signer_of(act, known, self._identity.origin(log_tenant(entry.tenant)), self._party)
        expected = AccessChange(change=change, id=entry.kind, digest=entry.digest())
        see_signed_for(act, expected, "this was signed for another entry")
        return person


def _see_searches_kept(now: Catalogue, entry: CatalogueEntry) -> None:
    """Records have the blind terms of their day: another search, or none, would not find them, and audits would ask."""
    searches = {each.name: each.search for each in entry.fields}
    for spec in now.fields(entry.tenant, entry.kind).values():
        if searches.get(spec.name) != spec.search:
            raise ConfigurationError(
                f"field {spec.name!r} of {entry.kind!r} is stored with search {spec.search or 'none'}: keep that, or "
                "name the field anew"
            )


def may_adopt(person: Person, entry: CatalogueEntry) -> bool:
    """Whether somebody is who adopts such an entry: who answers for the data, or for everybody's an administrator."""
    if entry.tenant == ANY_TENANT:
        return Role.ADMINISTRATOR in person.roles
    return Duty.DATA_PROVIDER in person.duties and person.unit == (entry.tenant, entry.provider)


def _in_force(versions: list[EntryRow]) -> int:
    return max([each.version for each in versions if each.adopter is not None], default=0)
