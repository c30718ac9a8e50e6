"""A process without keys that asks a release: what it commits, honestly or not, and what it is refused."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest

from agents.access.authentication import Authenticator
from agents.access.choosing import Chosen
from agents.access.keeper import AccessKeeper
from agents.access.look_log import DECISION_FIELD, Because, LookKind, LookLog, NewLook, WrittenLook
from agents.access.registrar import AccessRegistrar
from agents.platform.data_keys import DataKeyCache
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, Knowledge
from agents.reading.desk import Desk
from agents.release import Askers, KeptKeys, OwnRelease, Refusal, Releaser, ReleaseRefused, ShownRecord
from security.access.look_record import LookRecord, read_look
from security.access.person import Person
from security.access.presented import Means, Presented
from security.access.principal import Action, Principal
from security.access.tokens import TokenVerifier
from security.commit_signature import WorkerKey
from security.key_scopes import KeyScopes
from security.opening import FieldOpener
from streams.issuer_keys import IssuerKeys
from streams.storage.database import Database, Reach
from streams.storage.log_entries import disclosures_of
from tests.support.approving import OFFICIAL
from tests.support.approving import Desk as Signing
from tests.support.exchange import MEMBERS, Exchange, exchange

HOUR = dt.timedelta(hours=1)
EVERYTHING = KeyScopes.parse(["*/*/1-5"])


class Watching(OwnRelease):
    """Opens with keys of its own, and remembers what it was asked."""

    def __init__(self, database: Database, identity: Identity, knowledge: Knowledge) -> None:
        super().__init__(database, identity, knowledge)
        self.asked: list[tuple[WrittenLook, Sequence[Chosen]]] = []

    async def records(self, look: WrittenLook, chosen: Sequence[Chosen], reach: Reach) -> Sequence[ShownRecord]:
        self.asked.append((look, chosen))
        return await super().records(look, chosen, reach)


@dataclass
class AskingProcess:
    """A release, and a process that asks it; with an approved request of the official's.

    Attributes:
        reader: The official, by an API key.
        ahead: How far the release's clock is ahead.
    """

    bureaus: Exchange
    worker: WorkerKey
    keys: KeptKeys
    names: list[UUID]
    signing: Signing
    reader: Principal
    ahead: dt.timedelta = dt.timedelta(0)
    releaser: Releaser = field(init=False)

    def __post_init__(self) -> None:
        platform = self.bureaus.platform
        keeper = AccessKeeper(platform.database, platform.identity)
        authenticates = authenticator(self.bureaus)

        async def identify(shown: Presented, _: dt.datetime) -> Principal:
            # The key was made just now, whatever the release takes for the time.
            return await authenticates.principal(shown, dt.datetime.now(dt.UTC))

        askers = Askers(platform.database, identify)
        self.releaser = Releaser(platform.database, platform.identity, keeper, self.keys, askers, clock=self._now)

    def _now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.ahead

    async def look(self) -> tuple[WrittenLook, LookRecord, int]:
        """A look of the official's at the first record as the desk writes it, with its record and its log."""
        platform = self.bureaus.platform
        release = Watching(platform.database, platform.identity, platform.knowledge)
        keeper = AccessKeeper(platform.database, platform.identity)
        desk = Desk(platform.database, platform.identity, platform.knowledge, self.worker, keeper, release=release)
        assert await desk.show(self.reader, "casework", self.names[0])
        ((look, (chosen,)),) = release.asked
        data_keys = DataKeyCache()
        async with platform.database.session() as connection:
            ((place, stored),) = (await disclosures_of(connection, chosen.log_id, {look.commit_id})).items()
            await data_keys.load(connection, [stored.pass_id])
        opener = FieldOpener(platform.knowledge.access_keys, data_keys.get, 5)
        name = place[0].to_bytes(16, "big")
        opened = opener.open_record(stored.tenant, ACCESS_DOMAIN, name, stored.pass_id, stored.sealed)
        return look, read_look(opened[DECISION_FIELD].value or b""), chosen.log_id

    async def forged(self, log_id: int, record: LookRecord, kind: LookKind = "read") -> WrittenLook:
        """A look that a process commits by itself, over decisions of its own making."""
        platform = self.bureaus.platform
        looks = LookLog(platform.database, platform.identity, platform.knowledge, self.worker)
        access = await AccessKeeper(platform.database, platform.identity).current()
        policy = f"{access.version}@{access.decider.policies.digest}"
        because = Because(policy, record.purpose, {log_id: record.encode()}, {}, {})
        shown = {log_id: [UUID(name) for name, _ in record.records]}
        look = await looks.write(NewLook(kind, record.person, "policy", shown, because))
        return replace(look, proof=self.reader.proof)

    async def records(self, look: WrittenLook) -> ShownRecord:
        """What is opened of the first record."""
        (shown,) = await self.releaser.records(self.worker.worker_id, look, self.names[:1])
        return shown

    async def refused(self, look: WrittenLook, *names: UUID, worker: str | None = None) -> Refusal:
        """Why nothing of these is opened, by default of the first record."""
        with pytest.raises(ReleaseRefused) as refusal:
            await self.releaser.records(worker or self.worker.worker_id, look, names or self.names[:1])
        assert not any(value in str(refusal.value) for value in MEMBERS.values())
        return refusal.value.reason


def authenticator(bureaus: Exchange) -> Authenticator:
    """Says who is registered at the exchange, by API keys and logins."""
    platform = bureaus.platform
    keeper, issuers = AccessKeeper(platform.database, platform.identity), IssuerKeys([])
    return Authenticator(platform.database, platform.identity, keeper, TokenVerifier([], issuers.keys), issuers)


async def by_key(bureaus: Exchange, who: Person, *, projects: Sequence[str] | None = None) -> Principal:
    """Somebody, by a new API key that is good for all that they may do."""
    platform = bureaus.platform
    registrar = AccessRegistrar(platform.database, platform.identity, actor="admin@example.org")
    text, _ = await registrar.add_key(
        who.person, tier=who.tier, actions=list(Action), projects=projects, lifetime=dt.timedelta(days=1)
    )
    now = dt.datetime.now(dt.UTC)
    return await authenticator(bureaus).principal(Presented(Means.API_KEY, text), now)


@asynccontextmanager
async def asking_process(dsn: str, keyring_dir: Path) -> AsyncIterator[AskingProcess]:
    """The acceptance case's registry with two residents, and a release over it."""
    async with exchange(dsn, keyring_dir) as bureaus:
        names = await bureaus.residents(2)
        signing = await bureaus.granted(OFFICIAL, 2)
        platform = bureaus.platform
        keys = KeptKeys(platform.database, platform.identity, EVERYTHING, HOUR)
        reader = await by_key(bureaus, OFFICIAL)
        yield AskingProcess(bureaus, platform.identity.new_worker(), keys, names, signing, reader)
