"""The catalogue: kinds of records with their fields, entries and versions, proposing and adopting one, signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from fastapi import Query, Response

from agents.access.catalogue_keeper import ADOPT, PROPOSE, entry_act, log_tenant, may_adopt
from schemas.catalogue import ANY_TENANT, EVIDENCE, Catalogue, FieldSpec
from schemas.catalogue_entry import CONTEXT, CatalogueEntry
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from sealstream.api.problems import Problem, not_found
from sealstream.console.chinese import catalogue as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.signing import SignedEntry, Subject, sign_page, signed_act, signer, taken
from sealstream.console.visits import Visit, Visiting, visiting
from sealstream.people.access import now_said
from security.access.principal import Action, Principal, Role
from streams.storage.catalogue import EntryRow, list_entries

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/catalogue", "Catalogue", frozenset(Role))])

Proposing = Annotated[Visit, visiting(Action.REQUEST, Role.ADMINISTRATOR)]
Adopting = Annotated[Visit, visiting(Action.APPROVE, *Role)]

_Tenant = Annotated[str, Query(pattern=r"^(\*|[a-z0-9][a-z0-9-]{0,62})$")]
_Kind = Annotated[str, Query(max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
_Version = Annotated[int, Query(ge=1, le=2**31 - 1)]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record as one tenant has it, or everybody without an entry of their own.

    Attributes:
        in_force: The registered version that holds; None while only the program's defaults or stored rows do.
        waiting: Versions that are proposed for what holds now.
    """

    tenant: str
    kind: str
    fields: Sequence[FieldSpec]
    versions: Sequence[EntryRow]

    @property
    def in_force(self) -> EntryRow | None:
        """See above."""
        return max((row for row in self.versions if row.adopter), key=lambda row: row.version, default=None)

    @property
    def waiting(self) -> list[EntryRow]:
        """See above."""
        base = self.in_force.version if self.in_force is not None else 0
        return [row for row in self.versions if row.adopter is None and row.based_on == base]


@dataclass(frozen=True, slots=True)
class Compared:
    """A field in force beside the same field of a version; either may be missing."""

    name: str
    now: tuple[int, str, str] | None
    then: tuple[int, str, str] | None


@router.get("/catalogue")
async def kinds(visit: Visiting) -> Response:
    """Every kind of record that may concern them."""
    return visit.page(
        "catalogue.html", kinds=await _kinds(visit), may_propose=visit.may(Action.REQUEST, Role.ADMINISTRATOR)
    )


@router.get("/catalogue/kind")
async def show(visit: Visiting, tenant: _Tenant, kind: _Kind) -> Response:
    """One kind: its fields as they are kept now, and its versions."""
    found = await _kind(visit, tenant, kind)
    return visit.page("catalogue_kind.html", kind=found, may_propose=visit.may(Action.REQUEST, Role.ADMINISTRATOR))


@router.get("/catalogue/version")
async def version_page(visit: Visiting, tenant: _Tenant, kind: _Kind, version: _Version) -> Response:
    """One version beside what is in force, to adopt it."""
    found = await _kind(visit, tenant, kind)
    row = next((each for each in found.versions if each.version == version), None)
    if row is None:
        raise not_found()
    entry = CatalogueEntry.parse(row.text)
    person = (await visit.parts.keeper.current()).people[visit.who.person]
    return visit.page(
        "catalogue_version.html",
        row=row,
        entry=entry,
        state=_state(found, row),
        compared=_compared(found.fields, entry),
        may_adopt=row in found.waiting and visit.may(Action.APPROVE, *Role) and may_adopt(person, entry),
    )


@router.get("/catalogue/new")
async def new(visit: Proposing, tenant: _Tenant = ANY_TENANT, kind: str = "") -> Response:
    """The form, with what holds of that kind."""
    found = {each.tenant: each for each in await _kinds(visit) if each.kind == kind}
    return _form(visit, _begun(tenant, kind, found.get(tenant) or found.get(ANY_TENANT)))


@router.post("/catalogue/new")
async def propose(visit: Proposing) -> Response:
    """See that the entry may be proposed, and have it signed."""
    try:
        entry = CatalogueEntry.parse(visit.form.one("entry"))
        person = signer(await visit.parts.keeper.current(), visit)
    except (ConfigurationError, Problem) as exc:
        error = exc.detail if isinstance(exc, Problem) else str(exc)
        return _form(visit, visit.form.one("entry"), status=422, error=error)
    version = await visit.parts.entries.next_version(entry.tenant, entry.kind)
    explanation = visit.text("You propose version {n} of an entry. It holds once its provider adopts it.", n=version)
    act = entry_act(PROPOSE, version, entry, now_said())
    return _signing(visit, entry, act, person.key, explanation, "/catalogue/proposed")


@router.post("/catalogue/proposed")
async def proposed(visit: Proposing) -> Response:
    """Take in a proposal that was signed."""
    entry, act = _carried(visit), signed_act(visit, SignedEntry)
    row = await taken(visit.parts.entries.propose(entry, act))
    return _at_version(visit, row)


@router.post("/catalogue/adopt")
async def adopt(visit: Adopting) -> Response:
    """Have an adoption signed: of exactly the entry that the page shows."""
    form = visit.form
    found = await _kind(visit, form.one("tenant"), form.one("kind"))
    row = next((each for each in found.waiting if str(each.version) == form.one("version")), None)
    if row is None:
        raise Problem(409, "not_taken", "that version does not wait to be adopted, or not any more")
    entry, person = CatalogueEntry.parse(row.text), signer(await visit.parts.keeper.current(), visit)
    explanation = visit.text(
        "You put version {n} of an entry in force, for records that come from now on.", n=row.version
    )
    act = entry_act(ADOPT, row.version, entry, now_said())
    return _signing(visit, entry, act, person.key, explanation, "/catalogue/adopted")


@router.post("/catalogue/adopted")
async def adopted(visit: Adopting) -> Response:
    """Take in an adoption that was signed."""
    entry, act = _carried(visit), signed_act(visit, SignedEntry)
    row = await taken(visit.parts.entries.adopt(entry, act))
    return _at_version(visit, row)


def _signing(
    visit: Visit, entry: CatalogueEntry, act: AccessChange, key: str | None, explanation: str, to: str
) -> Response:
    text = entry.text()
    return sign_page(
        visit,
        log_tenant(entry.tenant),
        msgspec.structs.replace(act, key=key),
        explanation,
        to=to,
        subject=Subject(CONTEXT.decode(), text),
        carried={"entry": text},
    )


def _carried(visit: Visit) -> CatalogueEntry:
    try:
        return CatalogueEntry.parse(visit.form.one("entry"))
    except ConfigurationError:
        raise Problem(422, "invalid_request", "a field has not its form") from None


def _at_version(visit: Visit, row: EntryRow) -> Response:
    return visit.redirect("/catalogue/version", tenant=row.tenant, kind=row.record_type, version=str(row.version))


def _theirs(who: Principal) -> str | None:
    """Whose entries they see: administrators propose them for all, auditors check all."""
    return None if who.roles & {Role.ADMINISTRATOR, Role.AUDITOR} else who.tenant


async def _kinds(visit: Visit) -> list[Kind]:
    rows, only = await visit.parts.known.catalogue(), _theirs(visit.who)
    async with visit.parts.database.session(clean=True) as connection:
        entries = await list_entries(connection)
    places = {(row.tenant, row.record_type) for row in rows} | {(row.tenant, row.record_type) for row in entries}
    catalogue = Catalogue.from_rows(rows)
    evidence = {(row.tenant, row.record_type): FieldSpec(EVIDENCE, row.tier) for row in rows if row.field == EVIDENCE}
    return [
        Kind(
            tenant,
            kind,
            _fields(catalogue, tenant, kind, evidence),
            [row for row in entries if (row.tenant, row.record_type) == (tenant, kind)],
        )
        for tenant, kind in sorted(places, key=lambda place: (place[1], place[0]))
        if only is None or tenant in (ANY_TENANT, only)
    ]


def _fields(
    catalogue: Catalogue, tenant: str, kind: str, evidence: Mapping[tuple[str, str], FieldSpec]
) -> list[FieldSpec]:
    """As they are kept; the message's own bytes are no field of a record, and have their tier all the same."""
    found = evidence.get((tenant, kind)) or evidence.get((ANY_TENANT, kind))
    specs = [*catalogue.fields(tenant, kind).values(), *([found] if found is not None else [])]
    return sorted(specs, key=lambda spec: spec.name)


async def _kind(visit: Visit, tenant: str, kind: str) -> Kind:
    found = next((each for each in await _kinds(visit) if (each.tenant, each.kind) == (tenant, kind)), None)
    if found is None:
        raise not_found()
    return found


def _state(kind: Kind, row: EntryRow) -> str:
    if row == kind.in_force:
        return "in_force"
    if row.adopter is not None:
        return "former"
    return "proposed" if row in kind.waiting else "outdated"


def _compared(now: Sequence[FieldSpec], entry: CatalogueEntry) -> list[Compared]:
    before = {each.name: (each.tier, each.search or "", each.sharing) for each in now}
    after = {each.name: (each.tier, each.search or "", each.sharing) for each in entry.fields}
    return [Compared(name, before.get(name), after.get(name)) for name in sorted(before | after)]


def _begun(tenant: str, kind: str, found: Kind | None) -> str:
    if found is not None and found.in_force is not None and found.tenant == tenant:
        return _pretty(found.in_force.text)
    specs = found.fields if found is not None else [FieldSpec("", 3)]
    fields = [{"name": each.name, "tier": each.tier, "search": each.search, "sharing": each.sharing} for each in specs]
    begun = {"kind": kind, "tenant": tenant, "provider": "", "legal_basis": "", "fields": fields}
    return _pretty(msgspec.json.encode(begun).decode())


def _pretty(text: str) -> str:
    return msgspec.json.format(text, indent=2)


def _form(visit: Visit, text: str, *, status: int = 200, error: str | None = None) -> Response:
    return visit.page("catalogue_new.html", status=status, error=error, text=text)
