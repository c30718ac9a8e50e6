"""People as registered, and their API keys. Whether a row is one of ours is agents.platform.vouching."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from schemas.errors import ConfigurationError
from security.access.api_key import ApiKey
from security.access.person import Duty, Person
from security.access.principal import Action, Role
from streams.storage.database import Connection

_PERSON = "person, tenant, department, roles, tier, duties, issuer, subject, jwk, active, mac"
_API_KEY = "key_id, digest, person, tier, actions, projects, created, not_after, revoked_at, mac"


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as stored.

    Attributes:
        mac: The platform's, over the rest.
    """

    person: Person
    mac: bytes


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """An API key as stored; `mac` as above."""

    key: ApiKey
    mac: bytes


async def list_people(connection: Connection) -> tuple[list[PersonRow], list[str]]:
    """Everybody, and the ids of rows that no person's record can be: somebody wrote them who is not us."""
    found, faulty = [], []
    for row in await connection.fetch(f"SELECT {_PERSON} FROM people ORDER BY person"):  # noqa: S608 our own names
        try:
            found.append(PersonRow(_person(row), row["mac"]))
        except (ConfigurationError, ValueError):
            faulty.append(row["person"])
    return found, faulty


async def write_person(connection: Connection, row: PersonRow) -> None:
    """Store a person's record in place of the former one; within `changing_access`.

    Raises:
        ConfigurationError: The subject or the key is somebody else's.
    """
    person = row.person
    try:
        await connection.execute(
            """
            INSERT INTO people (person, tenant, department, roles, tier, duties, issuer, subject, jwk, key, active, mac)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (person) DO UPDATE SET (tenant, department, roles, tier, duties, issuer, subject, jwk, key,
                active, mac) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            """,
            person.person,
            person.tenant,
            person.department,
            sorted(person.roles),
            person.tier,
            sorted(person.duties),
            person.issuer,
            person.subject,
            None if person.jwk is None else msgspec.json.encode(person.jwk).decode(),
            person.key,
            person.active,
            row.mac,
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError("that subject or that key is another person's; each has their own") from exc


async def write_first_key(connection: Connection, row: PersonRow) -> bool:
    """Store the key of a person who has none, and nothing else of them; returns whether there was such a person.

    By a function of the owner's: the console's process has no right to change people.

    Raises:
        ConfigurationError: The key is somebody else's.
    """
    try:
        stored: bool = await connection.fetchval(
            "SELECT sealstream_register_first_key($1, $2, $3, $4)",
            row.person.person,
            None if row.person.jwk is None else msgspec.json.encode(row.person.jwk).decode(),
            row.person.key,
            row.mac,
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError("that key is another person's; each has their own") from exc
    return stored


async def find_api_key(connection: Connection, key_id: str) -> ApiKeyRow | None:
    """The key of an id."""
    row = await connection.fetchrow(f"SELECT {_API_KEY} FROM api_keys WHERE key_id = $1", key_id)  # noqa: S608
    return None if row is None else _api_key(row)


async def list_api_keys(connection: Connection) -> Sequence[ApiKeyRow]:
    """All keys, revoked and expired ones too."""
    rows = await connection.fetch(f"SELECT {_API_KEY} FROM api_keys ORDER BY created, key_id")  # noqa: S608
    return [_api_key(row) for row in rows]


async def sound_api_keys(connection: Connection) -> tuple[list[ApiKeyRow], list[str]]:
    """All keys, and the ids of rows that no key's record can be."""
    found, faulty = [], []
    for row in await connection.fetch(f"SELECT {_API_KEY} FROM api_keys ORDER BY created, key_id"):  # noqa: S608
        try:
            found.append(_api_key(row))
        except (ConfigurationError, ValueError):
            faulty.append(row["key_id"])
    return found, faulty


async def insert_api_key(connection: Connection, row: ApiKeyRow) -> None:
    """Add a key; within `changing_access`."""
    key = row.key
    await connection.execute(
        f"INSERT INTO api_keys ({_API_KEY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9)",  # noqa: S608
        key.key_id,
        key.digest,
        key.person,
        key.tier,
        sorted(key.actions),
        None if key.projects is None else sorted(key.projects),
        key.created,
        key.not_after,
        row.mac,
    )


async def revoke_api_key(connection: Connection, key_id: str, at: dt.datetime) -> bool:
    """Let a key count no more; within `changing_access`. Whether it counted before."""
    done = await connection.execute(
        "UPDATE api_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL", key_id, at
    )
    return bool(done == "UPDATE 1")


def _person(row: asyncpg.Record) -> Person:
    members: dict[str, Any] = dict(row)
    members.pop("mac")
    members["roles"] = frozenset(map(Role, row["roles"]))
    members["duties"] = frozenset(map(Duty, row["duties"]))
    members["jwk"] = None if row["jwk"] is None else msgspec.json.decode(row["jwk"], type=dict[str, str])
    return Person(**members)


def _api_key(row: asyncpg.Record) -> ApiKeyRow:
    members: dict[str, Any] = dict(row)
    mac = members.pop("mac")
    members["actions"] = frozenset(map(Action, row["actions"]))
    members["projects"] = None if row["projects"] is None else frozenset(row["projects"])
    return ApiKeyRow(ApiKey(**members), mac)
