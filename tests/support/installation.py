"""A whole platform in one process, without Kafka: keys, producers, workers, sequencer, audit; the database is real."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from pydantic import SecretStr

from agents.audit import Depth, VerifyReport
from agents.commits.observation import Observer
from agents.commits.outcomes import FrameOutcome, Owner
from agents.commits.record_batch import RecordBatch
from agents.inference.engine import Engine
from agents.inference.model_store import ModelStore
from agents.inference.transaction_kind import load_default_engine
from agents.intake.setup import IntakeParts
from agents.keys.registrar import NewKey, Registrar
from agents.log.sequencer import Sequencer
from agents.models.curator import Curator
from agents.opening.reading import Reader
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge, load_knowledge
from agents.replay import Replayed, Replayer
from agents.shards.closing import ShardOpener
from sealstream.audit.auditing import audit
from sealstream.feeds import FeedItem
from sealstream.settings import Settings, load_settings
from security.commit_signature import WorkerKey
from security.file_keyring import FileKeyring
from security.signing import Ed25519Signer
from streams.health import Health
from streams.storage import keys
from streams.storage.database import Connection, Database
from streams.storage.relaying import RelayPosition
from tests.support.messages import Inbox, Record

CLUSTER = "test-cluster"
GROUP = "sealstream"
LOG_ORIGIN = "sealstream.local/logs"
AT_ONCE = dt.timedelta(0)


@dataclass(frozen=True, slots=True)
class Producer:
    """Somebody who signs: a key bound to one source."""

    tenant: str
    domain: str = "payments"

    @property
    def key_id(self) -> str:
        return f"{self.tenant}-{self.domain}"

    @property
    def source(self) -> str:
        return f"urn:test:{self.tenant}:{self.domain}"

    @property
    def signer(self) -> Ed25519Signer:
        return Ed25519Signer(self.key_id, self.key_id.encode().ljust(32, b"."))

    def new_key(self, **times: dt.datetime) -> NewKey:
        """What registers the key."""
        return NewKey(
            name=self.key_id,
            jwk=self.signer.jwk,
            tenant=self.tenant,
            domain=self.domain,
            sources=[self.source],
            **times,
        )

    def put(self, inbox: Inbox, *items: FeedItem) -> list[Record]:
        """Publish items to a partition."""
        return [inbox.put(item, self.signer, self.source) for item in items]


BANK_A = Producer("bank-a")
BANK_B = Producer("bank-b")


@dataclass(slots=True)
class Worker:
    """One intake worker's stages and committer."""

    parts: IntakeParts
    key: WorkerKey

    async def process(self, *batches: RecordBatch) -> list[FrameOutcome]:
        """Take frames through the stages."""
        outcomes = []
        for batch in batches:
            await self.parts.pipeline.prepare()
            outcomes.append(self.parts.pipeline.process(batch))
        return outcomes

    async def commit(self, *batches: RecordBatch) -> set[tuple[str, int]]:
        """Process frames and put them into one commit; returns the partitions that moved."""
        return await self.parts.committer.commit(await self.process(*batches))


@dataclass(slots=True)
class Installation:
    """A platform over one database and one keyring."""

    dsn: str
    keyring_dir: Path
    database: Database
    identity: Identity
    knowledge: Knowledge
    engine: Engine
    store: ModelStore

    @property
    def settings(self) -> Settings:
        """What commands and the audit would be configured with."""
        return load_settings(database_url=SecretStr(self.dsn), keyring_dir=self.keyring_dir)

    def owner(self, producer: Producer) -> Owner:
        """Whose a producer's records are."""
        return self.knowledge.owners[producer.tenant, producer.domain]

    async def worker(
        self,
        *,
        cluster: str = CLUSTER,
        group: str = GROUP,
        engine: Engine | None = None,
        observer: Observer | None = None,
        health: Health | None = None,
        store: ModelStore | None = None,
    ) -> Worker:
        """A worker with a certified key of its own."""
        key = self.identity.new_worker()
        async with self.database.session() as connection:
            await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
        parts = IntakeParts(
            self.database,
            self.identity,
            self.knowledge,
            key,
            engine or self.engine,
            group=group,
            cluster=cluster,
            observer=observer,
            health=health,
            store=store or self.store,
        )
        return Worker(parts, key)

    def sequencer(self, *, checkpoint_every: dt.timedelta = AT_ONCE, **more: Any) -> Sequencer:
        """A sequencer that has not taken over anything yet, of a platform that has published nothing."""
        return Sequencer(
            self.database,
            self.identity.signer_of,
            self.identity.authority(),
            more.pop("published", nothing_published),
            checkpoint_every=checkpoint_every,
            **more,
        )

    async def sequence(self) -> int:
        """Place everything that can be placed, and open the shards that follow; returns how many leaves got a place."""
        opener = ShardOpener(self.database, self.identity.new_worker)
        sequencer, placed = self.sequencer(opener=opener), 0
        async with self.database.session() as connection:
            while now := await sequencer.step(connection):
                placed += now
        return placed

    async def audit(self, *, tier: int = 5, depth: Depth = Depth.ROWS, held: Path | None = None) -> VerifyReport:
        """What `sealstream audit verify` would find."""
        return await audit(self.settings, tier=tier, depth=depth, patience=0, held=held, database=self.database)

    async def empty_logs(self) -> None:
        """Take away the producers' registrations, whose leaves have no place yet; what is open knows the keys still."""
        await self.execute("DELETE FROM signing_keys")
        await self.execute("DELETE FROM bundles")
        await self.execute("DELETE FROM commits")

    def registrar(self, *, actor: str = "registrar@example.org") -> Registrar:
        """Changes the key registry."""
        return Registrar(self.database, self.identity, actor=actor)

    def curator(self, *, actor: str = "curator@example.org", store: ModelStore | None = None) -> Curator:
        """Changes the model registry."""
        return Curator(self.database, self.identity, store or self.store, actor=actor)

    async def reader(self, tier: int, *, actor: str = "auditor@example.org") -> Reader:
        """A reader, cleared for a tier."""
        knowledge = await load_knowledge(self.database, self.identity, max_tier=tier)
        return Reader(self.database, self.identity, knowledge, self.identity.new_worker(), tier=tier, actor=actor)

    async def replayer(self, *, actor: str = "operator@example.org", engine: Engine | None = None) -> Replayer:
        """A replayer with the keys and the catalogue as they stand now."""
        knowledge = await load_knowledge(self.database, self.identity)
        worker = self.identity.new_worker()
        return Replayer(
            self.database, self.identity, knowledge, worker, engine or self.engine, actor=actor, store=self.store
        )

    async def replay(self, *names: UUID, engine: Engine | None = None) -> list[Replayed]:
        """Replay dead letters; all that there are when none is named."""
        if not names:
            names = tuple(
                row["dead_letter_id"]
                for row in await self.rows("SELECT dead_letter_id FROM dead_letters ORDER BY created_at")
            )
        return [each async for each in (await self.replayer(engine=engine)).replay(names)]

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask the database."""
        async with self.database.session() as connection:
            return await connection.fetch(query, *arguments)

    async def one(self, query: str, *arguments: Any) -> Any:
        """Ask the database for one value."""
        async with self.database.session() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Change the database behind the platform's back."""
        async with self.database.session() as connection:
            await connection.execute(statement, *arguments)

    async def leaves(self, tenant: str | None = None, *, of_keys: bool = False) -> list[dict[str, Any]]:
        """Every stored leaf, commit by commit, as plain JSON objects.

        Args:
            of_keys: Those about the key registry, which are left out otherwise: two are there from the beginning.
        """
        rows = await self.rows(
            """
            SELECT b.ends, b.body FROM bundles b JOIN logs l USING (log_id)
            WHERE $1::text IS NULL OR l.tenant = $1 ORDER BY b.log_id, b.commit_id
            """,
            tenant,
        )
        leaves = [msgspec.json.decode(body) for row in rows for body in split(row["ends"], row["body"])]
        return [leaf for leaf in leaves if (leaf["kind"] == "key") is of_keys]


async def nothing_published() -> Mapping[str, RelayPosition]:
    """What a broker says that holds no position."""
    return {}


def split(ends: Sequence[int], body: bytes) -> list[bytes]:
    """The leaves of a bundle."""
    return [body[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@asynccontextmanager
async def installed(
    dsn: str,
    keyring_dir: Path,
    *,
    producers: Sequence[Producer] = (BANK_A, BANK_B),
    engine: Engine | None = None,
    catalogue: Sequence[Mapping[str, Any]] = (),
    database: Database | None = None,
) -> AsyncIterator[Installation]:
    """Register the producers, make the platform's keys, and open everything.

    Args:
        catalogue: Further rows of `catalogue_fields`.
        database: Connections to it, where there are some.
    """
    async with AsyncExitStack() as stack:
        if database is None:
            database = await stack.enter_async_context(Database(dsn, name="test", connections=8))
        async with database.session() as connection:
            await _describe(connection, catalogue)
            known = {row.key_id for row in await keys.list_signing_keys(connection)}
        identity = Identity(FileKeyring(keyring_dir), LOG_ORIGIN)
        for each in producers:
            if each.key_id not in known:
                await Registrar(database, identity, actor="registrar@example.org").register(each.new_key())
        knowledge = await load_knowledge(database, identity)
        store = ModelStore(keyring_dir.parent / "models")
        yield Installation(dsn, keyring_dir, database, identity, knowledge, engine or load_default_engine(), store)


async def _describe(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        await connection.execute(
            "INSERT INTO catalogue_fields (tenant, record_type, field, tier, search) VALUES ($1, $2, $3, $4, $5)",
            row.get("tenant", "*"),
            row["record_type"],
            row["field"],
            row["tier"],
            row.get("search"),
        )
