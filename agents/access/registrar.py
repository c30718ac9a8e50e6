"""Registering people and their API keys, each change with its leaf. Who somebody is: agents.access.authentication."""

import asyncio
import datetime as dt
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from agents.access.keeper import registered_people
from agents.keys.key_leaf import rfc3339
from agents.platform.actor import pseudonym
from agents.platform.identity import Identity
from agents.platform.signatory import Act, Signatory
from agents.platform.vouching import Voucher
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from security.access.api_key import ApiKey, new_secret
from security.access.person import Person
from security.access.presented import Presented
from security.access.principal import Action
from security.key_provider import KeyProvider
from streams.storage import people
from streams.storage.access_revision import changing_access
from streams.storage.database import Connection, Database


def person_change(keyring: KeyProvider, person: Person) -> AccessChange:
    """What a leaf says of a person's record."""
    return AccessChange(
        change="person" if person.active else "person_gone",
        duties=tuple(sorted(person.duties)),
        jwk=None if person.jwk is None else dict(sorted(person.jwk.items())),
        key=person.key,
        person=pseudonym(keyring, person.tenant, person.person),
        roles=tuple(sorted(person.roles)),
        tier=person.tier,
        unit=f"{person.tenant}/{person.department}",
    )


def api_key_change(key: ApiKey, holder: str, change: str) -> AccessChange:
    """What a leaf says of an API key.

    Args:
        holder: Pseudonym of its person.
        change: `api_key` or `revoke_api_key`.
    """
    return AccessChange(change=change, id=key.key_id, person=holder, tier=key.tier, until=rfc3339(key.not_after))


class AccessRegistrar:
    """Changes who is registered, as one actor.

    Args:
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(self, database: Database, identity: Identity, *, actor: str | None = None) -> None:
        self._database = database
        self._identity = identity
        self._signatory = Signatory(database, identity, actor=actor)

    async def grant(self, person: Person) -> None:
        """Register a person, or what they are from now on. Their tenant can't change: its log has their record.

        Raises:
            ConfigurationError: They are of another tenant, or the subject or key is somebody else's.
        """
        voucher = await self._prepare(person.tenant)
        async with self._signatory.acting() as work, changing_access(work.connection):
            known = await registered_people(work.connection, voucher)
            former = known.get(person.person)
            if former is not None and former.tenant != person.tenant:
                raise ConfigurationError("a person stays with their tenant; register them there under another id")
            await people.write_person(work.connection, voucher.person(person))
            await self._say(work, person)

    async def register_first_key(self, name: str, members: Mapping[str, str], proof: Presented | None = None) -> Person:
        """Register the key of a person who has none; that they have its private half is the caller's to see.

        Args:
            proof: That it is them, for a process that vouches for rows on another's behalf.

        Raises:
            ConfigurationError: There is nobody of that id, they have a key, or it is somebody else's.
        """
        tenant = (await self.person(name)).tenant
        await self._signatory.prepare({tenant})
        voucher = await asyncio.to_thread(self._identity.voucher)
        async with self._signatory.acting() as work, changing_access(work.connection):
            former = _known(await registered_people(work.connection, voucher), name)
            person = replace(former, jwk=members)
            row = await asyncio.to_thread(voucher.first_key, person, proof)
            if not await people.write_first_key(work.connection, row):
                raise ConfigurationError("not a first key; others are registered with `sealstream access grant`")
            await self._say(work, person)
        return person

    async def dismiss(self, name: str) -> Person:
        """Let a person be nobody here any more, and their API keys count for nothing.

        Raises:
            ConfigurationError: There is nobody of that id.
        """
        former = await self.person(name)
        voucher = await self._prepare(former.tenant)
        async with self._signatory.acting() as work, changing_access(work.connection):
            person = replace(_known(await registered_people(work.connection, voucher), name), active=False)
            await people.write_person(work.connection, voucher.person(person))
            await self._say(work, person)
        return person

    async def person(self, name: str) -> Person:
        """A registered person.

        Raises:
            ConfigurationError: There is nobody of that id.
        """
        return _known(await self.list(), name)

    async def list(self) -> dict[str, Person]:
        """Everybody."""
        voucher = await asyncio.to_thread(self._identity.voucher)
        async with self._database.session() as connection:
            return await registered_people(connection, voucher)

    async def add_key(
        self,
        name: str,
        *,
        tier: int,
        actions: Collection[Action],
        projects: Collection[str] | None,
        lifetime: dt.timedelta,
    ) -> tuple[str, ApiKey]:
        """Make an API key for a person; returns its text, which is nowhere else and never again.

        Raises:
            ConfigurationError: There is nobody of that id, or the key would be good for nothing or for ever.
        """
        person = await self.person(name)
        voucher = await self._prepare(person.tenant)
        text, key_id, digest = new_secret(os.urandom)
        async with self._signatory.acting() as work, changing_access(work.connection):
            key = ApiKey(
                key_id=key_id,
                digest=digest,
                person=person.person,
                tier=tier,
                actions=frozenset(actions),
                projects=None if projects is None else frozenset(projects),
                created=work.moment,
                not_after=work.moment + lifetime,
            )
            await people.insert_api_key(work.connection, voucher.api_key(key))
            await self._say_key(work, person, key, "api_key")
        return text, key

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Let an API key count no more.

        Raises:
            ConfigurationError: There is none of that id that counts.
        """
        async with self._database.session() as connection:
            key = await _existing_key(connection, key_id)
        person = await self.person(key.person)
        await self._prepare(person.tenant)
        async with self._signatory.acting() as work, changing_access(work.connection):
            if not await people.revoke_api_key(work.connection, key_id, work.moment):
                raise ConfigurationError(f"API key {key_id} is revoked already")
            await self._say_key(work, person, key, "revoke_api_key")
        return key

    async def keys(self) -> Sequence[ApiKey]:
        """All API keys."""
        async with self._database.session() as connection:
            return [row.key for row in await people.list_api_keys(connection)]

    async def _prepare(self, tenant: str) -> Voucher:
        await self._signatory.prepare({tenant})
        return await asyncio.to_thread(Voucher, self._identity.keyring)

    async def _say(self, work: Act, person: Person) -> None:
        await work.say(person.tenant, "policy", access=person_change(self._identity.keyring, person))

    async def _say_key(self, work: Act, person: Person, key: ApiKey, change: str) -> None:
        holder = pseudonym(self._identity.keyring, person.tenant, person.person)
        await work.say(person.tenant, "policy", access=api_key_change(key, holder, change))


def _known(known: dict[str, Person], name: str) -> Person:
    if name not in known:
        raise ConfigurationError(f"nobody of the id {name!r} is registered; `sealstream access people` lists them")
    return known[name]


async def _existing_key(connection: Connection, key_id: str) -> ApiKey:
    row = await people.find_api_key(connection, key_id)
    if row is None:
        raise ConfigurationError(f"there is no API key {key_id}; `sealstream access keys list` lists them")
    return row.key
