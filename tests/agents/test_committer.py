from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction


async def test_smoke(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *[transaction(f"t{n}") for n in range(300)])
    assert await worker.commit(inbox.take()) == {("transactions", 0)}
    assert await platform.sequence() == 300
    report = await platform.audit()
    assert report.ok, report.findings
