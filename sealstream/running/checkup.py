"""What `sealstream doctor` looks at."""

import asyncio
import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.log.witnessing import Standing
from schemas.errors import SealstreamError
from sealstream.release import messages
from sealstream.release.client import ask_once
from sealstream.release.identity import GivenIdentity
from sealstream.release.remote import RoutePlan
from sealstream.settings import CONFIG_FILE, Settings
from sealstream.wiring import (
    connected,
    known_witnesses,
    notice_topics,
    open_database,
    open_identity,
    relay_name,
    required_dsn,
    required_kafka,
    timestamp_authorities,
)
from streams.publication import has_transactions
from streams.retention import read_retention
from streams.storage.certificates import held_lists
from streams.storage.confinement import passes_the_wall
from streams.storage.database import API_ROLE
from streams.storage.durability import synchronous_standbys
from streams.storage.revision import check_migrated
from streams.storage.sequencing import list_logs
from streams.storage.subscriptions import list_subscriptions
from streams.storage.timestamping import unstamped
from streams.storage.vacuuming import not_vacuumed
from streams.storage.witnessing import witness_states
from streams.topics import cluster_id

ATTESTOR_PATIENCE: Final = 60.0
"""Seconds that a witness or a timestamp may be behind before it is called late."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    what: str


async def check_up(settings: Settings) -> list[Check]:
    """The settings with where they come from, then whether keyring, broker and database can be used."""
    checks = [_setting(name, value) for name, value in settings.model_dump().items()]
    checks.append(await asyncio.to_thread(_keyring, settings))
    checks.append(await asyncio.to_thread(_release, settings))
    try:
        checks.append(Check("broker", True, f"cluster {await cluster_id(required_kafka(settings))}"))
    except SealstreamError as exc:
        checks.append(Check("broker", False, str(exc)))
    else:
        checks.append(await _publication(settings))
        checks += await _retention(settings)
    checks += await _database(settings)
    if settings.witnesses:
        checks += await _witnesses(settings)
    if settings.timestamp_url is not None:
        checks += await _timestamps(settings)
    return checks


async def _publication(settings: Settings) -> Check:
    """What subscribers may rely on."""
    try:
        # Not the relay's own name, or a running relay would be fenced.
        exactly_once = await has_transactions(required_kafka(settings), f"{relay_name(settings)} doctor")
    except SealstreamError as exc:
        return Check("notices", False, str(exc))
    if exactly_once:
        return Check("notices", True, "exactly once, for subscribers with isolation.level=read_committed")
    return Check(
        "notices",
        True,
        "at least once, in order: the broker has no transactions; de-duplicate by seallog and sealindex",
    )


async def _retention(settings: Settings) -> list[Check]:
    """Whether the topics keep what a recovery from the oldest backup reads again."""
    try:
        async with connected(settings, "doctor", connections=1) as database, database.session() as connection:
            tenants = [row.tenant for row in await list_logs(connection)]
        topics = [*settings.topics_in, *(notice_topics(tenant).audit for tenant in tenants)]
        found = await read_retention(required_kafka(settings), topics)
    except SealstreamError as exc:
        return [Check("retention", False, str(exc))]
    faults = [
        Check(f"retention {name}", False, fault)
        for name, rule in found.items()
        if (fault := rule.fault(settings.backup_window)) is not None
    ]
    if faults:
        return faults
    if not all(rule.told for rule in found.values()):
        return [Check("retention", True, "the broker does not tell; the embedded one forgets all when it stops")]
    return [Check("retention", True, f"inbound and audit topics keep more than {settings.backup_window}")]


async def _witnesses(settings: Settings) -> list[Check]:
    """How each witness stands with each log that has a checkpoint."""
    try:
        names = [verifier.name for _, verifier in known_witnesses(settings)]
        async with connected(settings, "doctor", connections=1) as database, database.session() as connection:
            states = await witness_states(connection, names)
    except SealstreamError as exc:
        return [Check("witnesses", False, str(exc))]
    checks = [
        Check(
            f"witness {state.witness} of {state.origin}",
            state.state == Standing.COSIGNED and state.behind < ATTESTOR_PATIENCE,
            f"{state.state}: {state.cosigned} leaves cosigned, {state.behind:.0f} s behind"
            + (f"; {state.why}" if state.why else ""),
        )
        for state in states
    ]
    unasked = sorted(set(names) - {state.witness for state in states})
    what = "not asked yet; a process with the role sequence asks it"
    return checks + [Check(f"witness {name}", False, what) for name in unasked]


async def _timestamps(settings: Settings) -> list[Check]:
    """Whether the authority keeps up with the logs."""
    limit = settings.timestamp_every.total_seconds() + ATTESTOR_PATIENCE
    try:
        whom = timestamp_authorities(settings)
        async with connected(settings, "doctor", connections=1) as database, database.session() as connection:
            late = [each for each in await unstamped(connection) if each.behind > limit]
    except SealstreamError as exc:
        return [Check("timestamps", False, str(exc))]
    if not late:
        return [Check("timestamps", True, f"none is due; {len(whom)} authorities are let tell the time")]
    return [
        Check(
            f"timestamps of {each.origin}",
            False,
            f"the last one is {each.behind:.0f} s behind; the log events timestamp.* say why",
        )
        for each in late
    ]


async def _database(settings: Settings) -> list[Check]:
    try:
        await check_migrated(required_dsn(settings))
    except SealstreamError as exc:
        return [Check("database", False, str(exc))]
    checks = [Check("database", True, "reachable and migrated"), await _api_role(settings), *await _registry(settings)]
    try:
        await check_migrated(required_dsn(settings), durable=True)
        async with connected(settings, "doctor", connections=1) as database, database.session() as connection:
            standbys = await synchronous_standbys(connection)
            checks.append(_vacuum(await not_vacuumed(connection)))
    except SealstreamError as exc:
        return [*checks, Check("durability", settings.env != "production", str(exc))]
    where = f"and on synchronous standbys ({standbys})" if standbys else "alone: no synchronous standby is configured"
    return [*checks, Check("durability", True, f"commits and what is published are durable on the server {where}")]


def _vacuum(left_out: Sequence[str]) -> Check:
    """Whether audits find the rows of a commit without reading whole tables."""
    if not left_out:
        return Check("vacuum", True, "the server vacuums tables as they grow")
    what = f"autovacuum is off for {', '.join(left_out)}: an audit reads all new rows of these again and again"
    return Check("vacuum", False, f"{what}; turn it on, or run VACUUM on them every day")


async def _api_role(settings: Settings) -> Check:
    """Whether the API could run here, and what keeps its queries to their tenants."""
    try:
        async with (
            open_database(settings, "doctor", connections=1, role=API_ROLE) as database,
            database.session() as own,
        ):
            beyond = await passes_the_wall(own)
    except SealstreamError as exc:
        # Workers need no such role.
        return Check("api role", settings.env != "production", str(exc))
    if not beyond:
        return Check("api role", True, f"this login can be {API_ROLE}, and no more than that")
    return Check("api role", True, f"this login can be {API_ROLE}; the API in production has one that can be no more")


async def _registry(settings: Settings) -> list[Check]:
    """Whether each authority's revocation list is current (revocations may pass us by), and each endpoint answers."""
    try:
        async with connected(settings, "doctor", connections=1) as database, database.session() as connection:
            lists, subscriptions = await held_lists(connection), await list_subscriptions(connection)
    except SealstreamError as exc:
        return [Check("key registry", False, str(exc))]
    now = dt.datetime.now(dt.UTC)
    checks = []
    for held in lists:
        current = now < held.next_update
        what = f"of {held.this_update:%Y-%m-%dT%H:%M:%SZ}, current until {held.next_update:%Y-%m-%dT%H:%M:%SZ}"
        if not current:
            what += "; out of date: get the newer one and run `sealstream keys crl FILE`"
        checks.append(Check(f"crl {held.issuer}", current, what))
    for row in subscriptions:
        late = now - row.next_at > row.every
        what = row.fault or f"answered at {row.good_at:%Y-%m-%dT%H:%M:%SZ}"
        if late:
            what += "; nobody asks it: no worker with the role sequence runs"
        checks.append(Check(f"subscription {row.url}", row.fault is None and not late, what))
    return checks


def _release(settings: Settings) -> Check:
    """Where the API's keys are."""
    if not settings.release:
        allowed = settings.env != "production" or settings.release_in_process
        return Check("key release", allowed, "in process: an API of its own holds the keys, see SEALSTREAM_RELEASE")
    try:
        plans = [RoutePlan.parse(text) for text in settings.release]
        standing = []
        for plan in plans:
            identity = GivenIdentity.introduced(plan.path, settings.log_origin)
            standing.append(ask_once(plan.path, identity.worker, messages.AskStanding(), messages.Standing))
    except SealstreamError as exc:
        return Check("key release", False, str(exc))
    for plan, found in zip(plans, standing, strict=True):
        if found.why is not None:
            return Check("key release", False, f"{plan.path}: no keys to open anything with ({found.why})")
    held = " and ".join(str(each.keys) for each in standing)
    return Check("key release", True, f"{len(plans)} answer, with {held} tier keys")


def _setting(name: str, value: object) -> Check:
    variable = f"SEALSTREAM_{name.upper()}"
    if variable in os.environ:
        origin = variable
    elif name in Settings.model_fields and value != Settings.model_fields[name].default:
        origin = CONFIG_FILE
    else:
        origin = "default"
    # SecretStr prints as asterisks.
    return Check(f"setting {name}", True, f"{value} ({origin})")


def _keyring(settings: Settings) -> Check:
    try:
        keyring = open_identity(settings).keyring
        return Check("keyring", True, f"{keyring!r}: {keyring.answers()}")
    except SealstreamError as exc:
        return Check("keyring", False, str(exc))
