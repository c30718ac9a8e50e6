from typing import cast
from uuid import UUID

import asyncpg

from streams.storage import log_entries, reading
from streams.storage.database import Connection
from streams.storage.reading import list_results, search_results
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction


async def fill(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    for name in ("one", "two", "three"):
        BANK_A.put(inbox, transaction(name))
        BANK_B.put(inbox, transaction(name), transaction(f"bad-{name}", amount="-1"))
        await worker.commit(inbox.take())
    BANK_A.put(inbox, statement("s", [entry("R1"), entry("R2"), entry("R3")]))
    await worker.commit(inbox.take())


async def test_results_come_newest_first_and_a_message_s_in_document_order(
    platform: Installation, worker: Worker
) -> None:
    await fill(platform, worker)
    async with platform.database.session() as connection:
        found = await list_results(connection, tenant=None, limit=100)
        assert len(found) == 9
        assert [row.created_at for row in found] == sorted((row.created_at for row in found), reverse=True)
        (message,) = {row.message_id for row in found if row.n is not None}
        assert [row.n for row in await reading.find_results(connection, [message])] == [0, 1, 2]
        assert len(await reading.find_results(connection, [found[0].record_id, found[1].record_id])) == 2
        assert await reading.find_results(connection, [UUID(int=9)]) == []
        assert len(await list_results(connection, tenant="bank-b", limit=2)) == 2


async def test_the_records_of_a_message_are_found_without_reading_the_table(
    platform: Installation, worker: Worker
) -> None:
    await fill(platform, worker)
    async with platform.database.session() as connection, connection.transaction():
        message = await connection.fetchval("SELECT message_id FROM results WHERE n = 0")
        plans = []

        class Explained:
            async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
                rows = await connection.fetch(f"EXPLAIN {query}", *arguments)
                plans.append("\n".join(row[0] for row in rows))
                return await connection.fetch(query, *arguments)

        await connection.execute("SET LOCAL enable_seqscan = off")  # the table is small
        asked = cast(Connection, Explained())
        records = {row.record_id for row in await reading.find_results(asked, [message])}
        assert len(records) == 3
        assert await log_entries.related(asked, message) == records
        assert await log_entries.related(asked, records.pop()) == {message}
    assert len(plans) == 3
    assert not [plan for plan in plans if "Seq Scan" in plan or "Index Cond" not in plan]


async def test_a_term_finds_records_of_its_own_log_and_field_alone(platform: Installation, worker: Worker) -> None:
    await fill(platform, worker)
    (one, other) = await platform.rows(
        "SELECT DISTINCT log_id, token FROM terms WHERE field = 'account' ORDER BY log_id"
    )
    assert one["token"] != other["token"]
    async with platform.database.session() as connection:
        found = await search_results(connection, "account", [(one["log_id"], one["token"])], 100)
        assert {row.tenant for row in found} == {"bank-a"}
        assert len(found) == 6
        assert await search_results(connection, "account", [(other["log_id"], one["token"])], 100) == []
        assert await search_results(connection, "counterparty_account", [(one["log_id"], one["token"])], 100) == []
        assert await search_results(connection, "account", [], 100) == []


async def test_dead_letters_come_with_their_message(platform: Installation, worker: Worker) -> None:
    await fill(platform, worker)
    async with platform.database.session() as connection:
        found = await reading.list_dead_letters(connection, reason=None, limit=100)
        assert len(found) == 3
        assert all(letter.evidence and letter.pass_id and letter.domain == "payments" for letter in found)
        (one,) = await reading.list_dead_letters(connection, reason=None, limit=1, name=found[1].dead_letter_id)
        assert one == found[1]


async def test_a_search_gives_the_newest_first_page_by_page(platform: Installation, worker: Worker) -> None:
    await fill(platform, worker)
    term = await bank_a_s_account(platform)
    async with platform.database.session() as connection:
        of_bank_a = [row.record_id for row in await list_results(connection, tenant="bank-a", limit=100)]
        assert [row.record_id for row in await search_results(connection, "account", [term], 100)] == of_bank_a
        pages = [await search_results(connection, "account", [term], 4, skip=skip) for skip in (0, 4, 8)]
        assert [[row.record_id for row in page] for page in pages] == [of_bank_a[:4], of_bank_a[4:], []]


async def test_a_search_goes_by_the_seconds_of_commits_and_then_by_rows(platform: Installation, worker: Worker) -> None:
    await fill(platform, worker)
    term = await bank_a_s_account(platform)
    rows = await platform.rows(
        "SELECT record_id, commit_id FROM results WHERE tenant = 'bank-a' ORDER BY created_at DESC"
    )
    newest, *others = [row["record_id"] for row in rows]
    oldest = others.pop()
    # One that was stored before terms had a second, and one whose commit took long.
    await platform.execute("UPDATE terms SET second = -2147483648 WHERE record_id = $1", newest)
    await platform.execute("UPDATE terms SET second = second + 60 WHERE record_id = $1", oldest)
    async with platform.database.session() as connection:
        for limit in (1, 2, 6):
            found = await search_results(connection, "account", [term], limit)
            assert [row.record_id for row in found] == [oldest, *others, newest][:limit]


async def test_of_two_terms_the_newest_are_those_of_both(platform: Installation, worker: Worker) -> None:
    await fill(platform, worker)
    log_id, token = await bank_a_s_account(platform)
    names = [row["record_id"] for row in await platform.rows(
        "SELECT record_id FROM results WHERE tenant = 'bank-a' ORDER BY created_at DESC"
    )]  # fmt: skip
    await platform.execute("UPDATE terms SET token = $1 WHERE record_id = ANY($2::uuid[])", b"exchanged", names[1::2])
    async with platform.database.session() as connection:
        for limit in (1, 3, 100):
            found = await search_results(connection, "account", [(log_id, token), (log_id, b"exchanged")], limit)
            assert [row.record_id for row in found] == names[:limit]


async def bank_a_s_account(platform: Installation) -> tuple[int, bytes]:
    (row,) = await platform.rows(
        "SELECT DISTINCT t.log_id, t.token FROM terms t JOIN results USING (record_id) "
        "WHERE field = 'account' AND tenant = 'bank-a'"
    )
    return row["log_id"], row["token"]
