"""Index keys rotated beside workers and searches: records are found all the while, by one key and then by the next."""

import asyncio
import signal
import sys
from pathlib import Path
from uuid import UUID

import pytest

from agents.keys.custodian import Custodian, ScopeFilter
from agents.platform.knowledge import load_knowledge
from agents.upkeep.erasing import Eraser
from agents.upkeep.reindexing import Reindexed, Reindexer
from schemas.catalogue import SearchKind
from schemas.errors import ConfigurationError
from security.blind_terms import BlindIndex
from streams.storage import index_keys
from streams.storage.index_keys import IndexRotation, SomebodyElseRotates
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.processes import ROOT

FIELD = "end_to_end_id"


class Stopped(Exception):
    """The operator's process ends here."""


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    """Of this test's own: key versions are the database's."""
    return tmp_path / "keys"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_keys, "ROWS_PER_PAGE", 4)


def stop_after(pages: int) -> object:
    """Tells of progress until it has had enough."""
    left = iter(range(pages))

    def tell(rotation: IndexRotation) -> None:
        if next(left, None) is None:
            raise Stopped

    return tell


async def rotate(platform: Installation, tell: object = lambda rotation: None) -> Reindexed:
    return await Reindexer(platform.database, platform.identity, actor="op@example.org", tell=tell).rotate(  # type: ignore[arg-type]
        "bank-a", FIELD
    )


async def filled(worker: Worker, inbox: Inbox, name: str = "t", count: int = 10) -> None:
    BANK_A.put(inbox, *(transaction(f"{name}-{n}", end_to_end_id=f"REF-{name}-{n}") for n in range(count)))
    BANK_A.put(inbox, statement(f"s-{name}", [entry(f"e-{name}")]))
    BANK_B.put(inbox, transaction(f"b-{name}", end_to_end_id=f"REF-{name}-0"))
    await worker.commit(inbox.take())


async def found(platform: Installation, reference: str) -> list[tuple[str, UUID]]:
    views = await (await platform.reader(3)).search(FIELD, reference)
    return [(view.stored.tenant, view.stored.record_id) for view in views]


async def all_found(platform: Installation, *names: str, count: int = 10) -> None:
    """Each record by its reference, once; the other tenant's too."""
    for name in names:
        for n in range(count):
            tenants = sorted(tenant for tenant, _ in await found(platform, f"REF-{name}-{n}"))
            assert tenants == (["bank-a", "bank-b"] if n == 0 else ["bank-a"]), (name, n)


async def findings(platform: Installation) -> list[str]:
    await platform.sequence()
    return [str(finding) for finding in (await platform.audit()).findings]


async def tokens(platform: Installation) -> set[bytes]:
    query = "SELECT token FROM terms JOIN logs USING (log_id) WHERE field = $1 AND tenant = 'bank-a'"
    rows = await platform.rows(query, FIELD)
    return {row["token"] for row in rows}


@pytest.mark.usefixtures("small_pages")
async def test_every_term_is_exchanged_and_every_record_found(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    await filled(worker, inbox)
    former = await tokens(platform)
    others = await platform.rows("SELECT * FROM terms WHERE field <> $1 ORDER BY token, record_id", FIELD)
    told: list[IndexRotation] = []
    done = await rotate(platform, told.append)
    assert done.rotation.finished
    assert done.rotation.exchanged == len(former) == 11
    assert len(told) == 3
    assert not done.broken
    current = await tokens(platform)
    assert len(current) == 11
    assert not current & former
    assert await platform.rows("SELECT * FROM terms WHERE field <> $1 ORDER BY token, record_id", FIELD) == others
    await worker.parts.reload()
    await filled(worker, inbox, "later")
    await all_found(platform, "t", "later")
    assert not await findings(platform)
    said = [leaf for leaf in await platform.leaves("bank-a", of_keys=True) if "index_key" in leaf]
    assert [(leaf["index_key"]["change"], leaf["index_key"]["version"], leaf.get("count")) for leaf in said] == [
        ("rotate", 1, None),
        ("retire", 1, 11),
    ]
    assert all(leaf["actor"] and leaf["basis"] == "alone" for leaf in said)
    assert (await rotate(platform)).rotation.version == 2
    await all_found(platform, "t", "later")
    assert not await findings(platform)


@pytest.mark.usefixtures("small_pages")
async def test_under_way_both_keys_find_and_only_the_new_one_makes_terms(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    await filled(worker, inbox)
    BANK_A.put(inbox, transaction("judged-before", end_to_end_id="REF-judged-before"))
    start = inbox.taken
    waiting = await worker.process(inbox.take())
    with pytest.raises(Stopped):
        await rotate(platform, stop_after(1))
    # What a worker made with the former key can't be committed any more.
    assert not await worker.parts.committer.commit(waiting)
    await worker.parts.reload()
    await worker.commit(inbox.batch(start, inbox.taken))
    await filled(worker, inbox, "meanwhile")
    former = BlindIndex(platform.identity.keyring)
    assert await platform.one("SELECT count(*) FROM terms WHERE token = $1", _term(former, "REF-t-9")) == 1
    assert await platform.one("SELECT count(*) FROM terms WHERE token = $1", _term(former, "REF-t-0")) == 0
    assert await platform.one("SELECT count(*) FROM terms WHERE token = $1", _term(former, "REF-meanwhile-0")) == 0
    await all_found(platform, "t", "meanwhile")
    assert not await findings(platform)
    done = await rotate(platform)
    assert (done.rotation.version, done.rotation.exchanged) == (1, 11)
    await all_found(platform, "t", "meanwhile")
    assert not await findings(platform)


def _term(index: BlindIndex, reference: str) -> bytes:
    term = index.term("bank-a", FIELD, SearchKind.REFERENCE, reference)
    assert term is not None
    return term


@pytest.mark.usefixtures("small_pages")
async def test_a_term_of_the_retired_key_is_found_by_the_audit(platform: Installation, worker: Worker) -> None:
    await filled(worker, Inbox())
    await rotate(platform)
    former, current = (BlindIndex(platform.identity.keyring, {("bank-a", FIELD): version}) for version in (0, 1))
    await platform.execute(
        "UPDATE terms SET token = $1 WHERE token = $2", _term(former, "REF-t-3"), _term(current, "REF-t-3")
    )
    (finding,) = await findings(platform)
    assert "blind term is not that of its value" in finding


@pytest.mark.usefixtures("small_pages")
async def test_under_way_a_term_that_is_gone_or_there_twice_is_found(platform: Installation, worker: Worker) -> None:
    await filled(worker, Inbox())
    with pytest.raises(Stopped):
        await rotate(platform, stop_after(1))
    former, current = (BlindIndex(platform.identity.keyring, {("bank-a", FIELD): version}) for version in (0, 1))
    await platform.execute("DELETE FROM terms WHERE token = $1", _term(former, "REF-t-9"))
    await platform.execute(
        "INSERT INTO terms SELECT log_id, field, $1::bytea, record_id FROM terms WHERE token = $2",
        _term(current, "REF-t-8"),
        _term(former, "REF-t-8"),
    )
    said = await findings(platform)
    assert len(said) == 2
    assert any("is gone" in each for each in said)
    assert any("does not give" in each or "not that of its value" in each for each in said)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("UPDATE index_keys SET finished = false", id="retired-key-counts-again"),
        pytest.param("DELETE FROM index_keys", id="rotation-forgotten"),
    ],
)
async def test_a_version_that_sql_changed_is_found(platform: Installation, worker: Worker, damage: str) -> None:
    await filled(worker, Inbox(), count=1)
    await rotate(platform)
    await platform.execute(damage)
    assert any("index key of field" in each for each in await findings(platform))


async def test_what_is_erased_or_shredded_meanwhile_gets_no_term(
    platform: Installation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(worker, Inbox())
    ((_, erased),) = await found(platform, "REF-t-5")
    exchange = index_keys.exchange_terms
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)

    async def erased_before(*arguments: object) -> IndexRotation:
        monkeypatch.undo()
        await Eraser(platform.database, platform.identity, knowledge).erase(erased, "on request")
        return await exchange(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index_keys, "exchange_terms", erased_before)
    assert (await rotate(platform)).rotation.exchanged == 10
    assert not await found(platform, "REF-t-5")
    assert not await findings(platform)
    await Custodian(platform.database, platform.identity).shred(ScopeFilter("bank-a", BANK_A.domain, 3), 1)
    assert (await rotate(platform)).rotation.exchanged == 0
    assert not await tokens(platform)
    assert not await findings(platform)


async def test_a_field_that_nobody_searches_has_no_key_to_rotate(platform: Installation) -> None:
    with pytest.raises(ConfigurationError, match="searchable"):
        await Reindexer(platform.database, platform.identity).rotate("bank-a", "amount")
    with pytest.raises(ConfigurationError, match="searchable"):
        await Reindexer(platform.database, platform.identity).rotate("nobody", FIELD)


@pytest.mark.usefixtures("small_pages")
async def test_two_processes_do_not_rotate_the_same_key(platform: Installation, worker: Worker) -> None:
    await filled(worker, Inbox())
    with pytest.raises(Stopped):
        await rotate(platform, stop_after(0))
    async with platform.database.session() as connection:
        (slow,) = await index_keys.list_rotations(connection)
        log_id = await connection.fetchval("SELECT log_id FROM logs WHERE tenant = 'bank-a'")
        page = await index_keys.next_rows(connection, log_id, slow)
    await rotate(platform)
    async with platform.database.session() as connection:
        with pytest.raises(SomebodyElseRotates):
            await index_keys.exchange_terms(connection, log_id, slow, [], page[-1])


PROGRAM = f"""
import asyncio, sys
from pathlib import Path
from agents.platform.identity import Identity
from agents.upkeep.reindexing import Reindexer
from security.file_keyring import FileKeyring
from streams.storage import index_keys
from streams.storage.database import Database

dsn, keyring, origin = sys.argv[1:]
index_keys.ROWS_PER_PAGE = 2

async def run():
    async with Database(dsn, name="rotate-index") as database:
        told = lambda rotation: print(rotation.exchanged, flush=True)
        await Reindexer(database, Identity(FileKeyring(Path(keyring)), origin), tell=told).rotate("bank-a", "{FIELD}")

asyncio.run(run())
"""


async def test_a_killed_process_is_followed_by_one_that_goes_on(platform: Installation, worker: Worker) -> None:
    await filled(worker, Inbox(), count=40)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, platform.dsn, str(platform.keyring_dir), platform.identity.origin_prefix,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while int(await process.stdout.readline()) < 6:
            pass
        process.send_signal(signal.SIGKILL)
        await process.wait()
    (stopped,) = await platform.rows("SELECT after_commit, exchanged, finished FROM index_keys")
    assert stopped["exchanged"] >= 6
    await all_found(platform, "t", count=40)
    done = await rotate(platform)
    assert (done.rotation.version, done.rotation.exchanged) == (1, 41)
    await all_found(platform, "t", count=40)
    assert not await findings(platform)


async def test_amounts_are_found_by_their_bucket_where_the_tenant_asks_for_it(
    platform: Installation, worker: Worker
) -> None:
    await platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier, search) "
        "VALUES ('bank-a', 'io.sealstream.transaction.v1', 'amount', 3, 'leading_digit')"
    )
    await worker.parts.reload()
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a", amount="4100.00"), transaction("b", amount="4999.99"))
    BANK_A.put(inbox, transaction("c", amount="5000.00"), transaction("d", amount="410.00"))
    await worker.commit(inbox.take())
    views = await (await platform.reader(3)).search("amount", "4500")
    assert {view.fields["amount"].value for view in views} == {b"4100.00", b"4999.99"}
    assert not await findings(platform)
    done = await Reindexer(platform.database, platform.identity).rotate("bank-a", "amount")
    assert done.rotation.exchanged == 4
    assert len(await (await platform.reader(3)).search("amount", "4500")) == 2
    assert not await findings(platform)
