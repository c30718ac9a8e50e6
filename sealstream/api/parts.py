"""What the routes work with, and opening all of it from the settings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from agents.access.approvals import Approvals
from agents.access.authentication import Authenticator
from agents.access.catalogue_keeper import CatalogueKeeper
from agents.access.keeper import AccessKeeper
from agents.access.policy_keeper import PolicyKeeper
from agents.access.sessions import OpensSessions, Sessions
from agents.inference.model_store import ModelStore
from agents.inference.transaction_kind import load_default_engine
from agents.platform.identity import Identity
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from sealstream.api.classifying import InlineModel
from sealstream.api.cookies import Cookies
from sealstream.api.cursors import Cursors
from sealstream.api.desk import CurrentDesk
from sealstream.api.idempotency import Writes
from sealstream.api.knowledge import CurrentKnowledge
from sealstream.api.metrics import ApiMetrics
from sealstream.api.rate_limits import TokenBuckets
from sealstream.audit.log_pages import LogPages
from sealstream.people.issuers import opened_authenticator
from sealstream.people.relying_party import relying_party
from sealstream.release.identity import CURSORS, SESSIONS, WRITES, GivenIdentity
from sealstream.release.remote import RemoteRelease, RoutePlan
from sealstream.settings import Settings
from sealstream.wiring import known_witnesses, model_store, open_database, open_identity, required_dsn, showing
from security.access.assertion import RelyingParty
from streams.storage.confinement import passes_the_wall
from streams.storage.database import API_ROLE, EVERYBODY, Database, Reach
from streams.storage.revision import check_migrated
from streams.storage.witnessing import Showing

OWN_CONNECTIONS, CONNECTIONS = 8, 16
PATIENCE: Final = timedelta(seconds=15)
FAILURES: Final = (1.0, 20.0)
"""Credentials that fail, a second and at once, from one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of us somebody may use.

    Attributes:
        person: Requests by person.
        tenant: Requests by tenant.
        failures: Credentials that prove nothing, by address.
        max_body: Bytes.
    """

    person: TokenBuckets
    tenant: TokenBuckets
    failures: TokenBuckets
    max_body: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The collaborators of the routes.

    Attributes:
        database: For the platform's own work: it reaches all tenants.
        people: For what somebody asks for: a session of it sees the tenants that it is opened for, and else nothing.
        witnesses: Their vkeys.
        logins: Of the console, and the cookies that browsers keep of them.
        party: Whose console people's authenticators sign for.
        tls: Whether we speak TLS ourselves.
        release: Opens fields in other processes; None where the keys are in this one.
    """

    database: Database
    people: Database
    identity: Identity
    authenticator: Authenticator
    keeper: AccessKeeper
    approvals: Approvals
    policies: PolicyKeeper
    entries: CatalogueKeeper
    desk: CurrentDesk
    known: CurrentKnowledge
    pages: LogPages
    showing: Showing
    witnesses: tuple[str, ...]
    store: ModelStore | None
    inline: InlineModel
    cursors: Cursors
    writes: Writes
    limits: Limits
    logins: OpensSessions
    cookies: Cookies
    party: RelyingParty
    metrics: ApiMetrics = field(default_factory=ApiMetrics)
    cors_origins: tuple[str, ...] = ()
    tls: bool = False
    release: RemoteRelease | None = None


@asynccontextmanager
async def opened_parts(settings: Settings, *, tls: bool = False) -> AsyncIterator[Parts]:
    """Open everything, and keep issuers' keys fresh while the body runs.

    Raises:
        SealstreamError: Something is not there, or not as it must be.
    """
    identity, release = await asyncio.to_thread(_identity, settings)
    async with AsyncExitStack() as stack:
        if release is not None:
            stack.push_async_callback(release.close)
        await check_migrated(required_dsn(settings), durable=settings.env == "production")
        database = await stack.enter_async_context(_confined(settings, "api", OWN_CONNECTIONS, EVERYBODY))
        people = await stack.enter_async_context(_confined(settings, "api people", CONNECTIONS, ()))
        if settings.env == "production":
            await _warn_of_an_owner(database)
        keeper = AccessKeeper(database, identity)
        authenticator = await stack.enter_async_context(opened_authenticator(settings, database, identity, keeper))
        known = CurrentKnowledge(database, identity, held=release is None)
        inline = InlineModel(database, model_store(settings), await asyncio.to_thread(load_default_engine))
        stack.callback(inline.close)
        secret = identity.keyring.index_key
        party = relying_party(settings, tls=tls)
        yield Parts(
            database=database,
            people=people,
            identity=identity,
            authenticator=authenticator,
            keeper=keeper,
            approvals=Approvals(database, identity, party=party),
            policies=PolicyKeeper(database, identity, party=party),
            entries=CatalogueKeeper(database, identity, party=party),
            desk=CurrentDesk(database, people, identity, keeper, known, release),
            known=known,
            pages=LogPages(database, showing(settings)),
            showing=showing(settings),
            witnesses=tuple(each.vkey for _, each in known_witnesses(settings)),
            store=model_store(settings),
            inline=inline,
            cursors=Cursors(await asyncio.to_thread(secret, PLATFORM_TENANT, CURSORS)),
            writes=Writes(database, await asyncio.to_thread(secret, PLATFORM_TENANT, WRITES)),
            limits=_limits(settings),
            logins=release if release is not None else Sessions(database, identity, authenticator),
            cookies=Cookies(
                await asyncio.to_thread(secret, PLATFORM_TENANT, SESSIONS),
                secure=party.origins[0].startswith("https://"),
            ),
            party=party,
            cors_origins=settings.api_cors_origins,
            tls=tls,
            release=release,
        )


def _identity(settings: Settings) -> tuple[Identity, RemoteRelease | None]:
    """Who the platform is, and what opens fields if that is not this process; from a thread.

    Raises:
        ConfigurationError: In production the keys are in a process of their own, unless it says otherwise.
        ReleaseAway: That process does not answer.
    """
    plans = [RoutePlan.parse(text) for text in settings.release]
    if plans:
        identity = GivenIdentity.introduced(plans[0].path, settings.log_origin)
        return identity, RemoteRelease(plans, identity.worker)
    if settings.env == "production" and not settings.release_in_process:
        raise ConfigurationError(
            "in production the API holds no keys: run `sealstream release` and name its socket in SEALSTREAM_RELEASE, "
            "or allow it with SEALSTREAM_RELEASE_IN_PROCESS=true; see docs/deployment.md"
        )
    return open_identity(settings), None


def _confined(settings: Settings, name: str, connections: int, reach: Reach) -> Database:
    return open_database(settings, name, connections=connections, patience=PATIENCE, role=API_ROLE, reach=reach)


async def _warn_of_an_owner(database: Database) -> None:
    async with database.session() as connection:
        if await passes_the_wall(connection):
            structlog.get_logger(__name__).warning("api.login_passes_the_wall", see="docs/deployment.md")


def _limits(settings: Settings) -> Limits:
    return Limits(
        person=TokenBuckets(settings.api_rate, 2 * settings.api_rate),
        tenant=TokenBuckets(settings.api_tenant_rate, 2 * settings.api_tenant_rate),
        failures=TokenBuckets(*FAILURES),
        max_body=settings.api_max_body,
    )
