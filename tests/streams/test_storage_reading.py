from uuid import UUID

from streams.storage import reading
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
