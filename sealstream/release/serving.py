"""Running the key release: what it opens from the settings, and which request goes where.

Its process is the only one beside the workers that asks the key provider. Proofs and keys are agents.release.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from agents.access.authentication import Authenticator
from agents.access.keeper import AccessKeeper
from agents.access.reach import tenant_reach
from agents.access.sessions import Sessions
from agents.inference.model_store import ModelStore
from agents.inference.transaction_kind import load_default_engine
from agents.intake.worker import beside
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from agents.release import Askers, KeptKeys, Refusal, Releaser, ReleaseRefused
from agents.replay import Replayer
from schemas.errors import SealstreamError
from sealstream.observe import observed
from sealstream.people.issuers import opened_authenticator
from sealstream.release import messages
from sealstream.release.identity import ISSUER, is_given
from sealstream.release.metrics import KEYS, ReleaseMetrics
from sealstream.release.server import SocketServer
from sealstream.release.vouching_desk import VouchingDesk
from sealstream.settings import Settings
from sealstream.wiring import connected, model_store, open_identity
from security.access.presented import Presented
from security.access.principal import Action, NotAuthenticated, Role
from security.commit_signature import WorkerKey, WorkerKind, certify_worker
from security.key_scopes import KeyScopes
from streams.health import Health
from streams.storage.database import Database
from streams.storage.reading import list_dead_letters

CONNECTIONS: Final = 8


async def serve_release(settings: Settings, scopes: Sequence[str], path: Path, on_ready: Callable[[str], None]) -> None:
    """Serve until cancelled.

    Args:
        scopes: What keys this process holds.
        path: Of its socket.

    Raises:
        SealstreamError: Something is not there, or not as it must be.
    """
    covered = KeyScopes.parse(scopes)
    identity = open_identity(settings)
    users = settings.release_users or (os.getuid(),)
    health = Health([KEYS])
    async with (
        observed(settings, "release", health) as observation,
        connected(settings, "release", connections=CONNECTIONS, patience=settings.database_patience) as database,
    ):
        metrics = ReleaseMetrics(observation.registry, health)
        keys = KeptKeys(database, identity, covered, settings.tier_key_ttl, watch=metrics)
        await keys.current()
        keeper = AccessKeeper(database, identity)
        async with opened_authenticator(settings, database, identity, keeper) as authenticator:
            desk = ReleaseDesk(settings, database, identity, keys, keeper, authenticator)
            server = SocketServer(users, desk.welcome, desk.answer, metrics)
            health.working(KEYS)
            async with server.serving(path), beside(keys.keep(), KEYS):
                on_ready(str(path))
                await asyncio.Event().wait()


class ReleaseDesk:
    """Takes each request to who answers it."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        identity: Identity,
        keys: KeptKeys,
        keeper: AccessKeeper,
        authenticator: Authenticator,
    ) -> None:
        self._settings = settings
        self._database = database
        self._identity = identity
        self._keys = keys
        self._askers = Askers(database, authenticator.principal)
        self._releaser = Releaser(database, identity, keeper, keys, self._askers)
        self._sessions = Sessions(database, identity, authenticator)
        self._vouches = VouchingDesk(settings, database, identity, self._askers)
        self._store: ModelStore | None = model_store(settings)
        self._worker: WorkerKey | None = None

    async def welcome(self, public_key: bytes) -> messages.Welcome:
        """Certify the key of a process that may connect."""

        def certify() -> messages.Welcome:
            seed = self._identity.authority_seed()
            return messages.Welcome(certify_worker(public_key, seed, WorkerKind.ASKING), self._identity.authority())

        return await asyncio.to_thread(certify)

    async def answer(self, worker_id: str, what: messages.Request) -> messages.Answer:
        """The answer to a request of a worker.

        Raises:
            SealstreamError: There is none.
        """
        releaser = self._releaser
        match what:
            case messages.AskRecords(look=look, names=names):
                return messages.Records(await releaser.records(worker_id, look, names))
            case messages.AskHanded(look=look, names=names, evidence=evidence):
                return messages.Handed(await releaser.handed(worker_id, look, names, evidence=evidence))
            case messages.AskLetter(look=look, name=name):
                return messages.Letter(await releaser.letter(worker_id, look, name))
            case messages.AskIds(look=look, log_id=log_id, commits=commits):
                found = await releaser.shown_ids(worker_id, look, log_id, commits)
                return messages.Ids([(*place, field) for place, field in found.items()])
            case messages.AskTerms(proof=proof, field=field, value=value, rotations=rotations):
                return messages.Terms(await releaser.terms(proof, field, value, rotations))
            case messages.AskDataKeys(wanted=wanted):
                return messages.DataKeys(*await releaser.data_keys(wanted))
            case messages.AskReplay(proof=proof, names=names):
                return messages.Replays(await self._replay(proof, names))
            case messages.AskSession(proof=proof):
                return await self._session(proof)
            case messages.AskStanding():
                return await self._standing()
            case messages.AskVouched() | messages.AskAdopted() | messages.AskFirstKey():
                return await self._vouches.answer(what)
        return await asyncio.to_thread(self._given, what)

    def _given(self, what: messages.Request) -> messages.Answer:
        """What a process keeps once it has it; the key provider may be asked for it."""
        match what:
            case messages.AskSecret(tenant=tenant, name=name) if is_given(tenant, name):
                return messages.Secret(self._identity.keyring.index_key(tenant, name))
            case messages.AskIssuer() if self._settings.env != "production":
                return messages.Secret(self._identity.keyring.signing_seed(ISSUER))
            case messages.AskVerifier(tenant=tenant, shard=shard, key=key):
                return messages.Verifier(self._identity.log_verifier(tenant, shard, key).vkey)
        raise ReleaseRefused(Refusal.NOT_SERVED)

    async def _standing(self) -> messages.Standing:
        try:
            await self._keys.current()
        except (SealstreamError, OSError, TimeoutError) as exc:
            return messages.Standing(self._keys.count, type(exc).__name__)
        return messages.Standing(self._keys.count, None)

    async def _session(self, proof: Presented) -> messages.Session:
        try:
            opened = await self._sessions.open_session(proof, dt.datetime.now(dt.UTC))
        except NotAuthenticated as exc:
            raise ReleaseRefused(Refusal.NOT_AUTHENTICATED) from exc
        return messages.Session(opened.text, opened.ends)

    async def _replay(self, proof: Presented | None, names: Sequence[UUID]) -> list[messages.ReplayedLetter]:
        """Take in dead letters that somebody may take in: their role and reach are read here."""
        keys = await self._keys.current()
        who = await self._askers.permitted(proof, dt.datetime.now(dt.UTC), Action.REPLAY, Role.OPERATOR)
        tenant = tenant_reach(who)
        async with self._database.session() as connection:
            for name in names:
                found = await list_dead_letters(connection, reason=None, limit=1, name=name, tenant=tenant)
                if not found:
                    raise ReleaseRefused(Refusal.NOT_SERVED)
        replayer = await asyncio.to_thread(self._replayer, keys.knowledge, who.person)
        return [
            messages.ReplayedLetter(
                each.dead_letter,
                each.outcome,
                each.reason.value if each.reason is not None else None,
                each.record,
                each.message,
                each.problem is not None,
            )
            async for each in replayer.replay(names)
        ]

    def _replayer(self, knowledge: Knowledge, person: str) -> Replayer:
        """What takes letters in; the keyring and files are asked for some of it."""
        worker = self._worker or self._identity.new_worker()
        self._worker = worker
        engine = load_default_engine()
        return Replayer(self._database, self._identity, knowledge, worker, engine, store=self._store, actor=person)
