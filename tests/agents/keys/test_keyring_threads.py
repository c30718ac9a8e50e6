"""A keyring may be a server's client: nothing on the event loop waits for it."""

import threading

from agents.intake.setup import IntakeParts, open_index_keys
from agents.platform.identity import Identity
from agents.platform.knowledge import load_knowledge
from sealstream.samples.feed import open_sample
from security.file_keyring import FileKeyring
from security.key_provider import Scope, WrappedKey
from streams.storage import keys
from tests.support.installation import BANK_A, CLUSTER, GROUP, Installation, Worker
from tests.support.messages import Inbox


class ServerLikeKeyring(FileKeyring):
    """Remembers on which threads it had to work; what it derived it knows from then on, as a server's client does."""

    threads: set[int]
    derived: dict[tuple[str, ...], bytes]

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        self.threads.add(threading.get_ident())
        return super().wrap(scope, key)

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        self.threads.add(threading.get_ident())
        return super().unwrap(scope, wrapped)

    def index_key(self, tenant: str, field: str) -> bytes:
        if (tenant, field) not in self.derived:
            self.threads.add(threading.get_ident())
            self.derived[tenant, field] = super().index_key(tenant, field)
        return self.derived[tenant, field]


async def test_an_intake_worker_asks_its_keyring_in_threads_alone(platform: Installation) -> None:
    ring = ServerLikeKeyring(platform.keyring_dir)
    ring.threads, ring.derived = set(), {}
    identity = Identity(ring, platform.identity.origin_prefix)
    await platform.execute("DELETE FROM tier_keys WHERE tier = 5")  # one is made anew
    knowledge = await load_knowledge(platform.database, identity)
    await open_index_keys(identity, knowledge)
    key = platform.identity.new_worker()
    async with platform.database.session() as connection:
        await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
    parts = IntakeParts(platform.database, identity, knowledge, key, platform.engine, group=GROUP, cluster=CLUSTER)
    inboxes: dict[str, Inbox] = {}
    for item in open_sample("small").items():  # transactions, statements, documents, records, and faults
        inbox = inboxes.setdefault(item.topic, Inbox(item.topic))
        inbox.put(item, BANK_A.signer, BANK_A.source)
    for inbox in inboxes.values():
        assert await Worker(parts, key).commit(inbox.take(500))
    await parts.reload()
    assert ring.threads
    assert threading.get_ident() not in ring.threads
