"""What an audit finds of deferred records whose rows were changed behind the platform's back."""

import pytest

from tests.support.installation import Installation
from tests.support.lanes import LanePlatform, filled_lanes

COUNT = 2


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    return await filled_lanes(platform, COUNT)


async def findings(lanes: LanePlatform) -> str:
    await lanes.platform.sequence()
    return "\n".join(str(finding) for finding in (await lanes.platform.audit()).findings)


async def ended(lanes: LanePlatform) -> None:
    async with lanes.running():
        await lanes.until_ended()


async def test_what_waits_is_no_finding(lanes: LanePlatform) -> None:
    assert await findings(lanes) == ""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param("state = 'done', ended_commit = 1", "says that it has ended, and no leaf does", id="ended"),
        pytest.param("lane = 'text.low'", "column lane of its deferral", id="lane"),
        pytest.param("models = 'other@1'", "column models of its deferral", id="models"),
        pytest.param("deadline = deadline + interval '1 day'", "column deadline of its deferral", id="deadline"),
        pytest.param("tenant = 'bank-b'", "column tenant of its deferral", id="tenant"),
        pytest.param("leaf = leaf + 100", "its row in deferred is gone", id="leaf"),
    ],
)
async def test_a_row_that_was_changed_while_it_waits(lanes: LanePlatform, change: str, what: str) -> None:
    await lanes.platform.execute(f"UPDATE deferred SET {change}")
    assert what in await findings(lanes)


@pytest.mark.parametrize("change", ["state = 'accepted'", "state = 'failed'", "ended_commit = ended_commit + 1"])
async def test_a_row_that_was_changed_after_its_end(lanes: LanePlatform, change: str) -> None:
    await ended(lanes)
    await lanes.platform.execute(f"UPDATE deferred SET {change}")
    assert "does not say that this commit ended it so" in await findings(lanes)


async def test_a_record_made_to_wait_again_is_ended_twice_and_found(lanes: LanePlatform) -> None:
    """Somebody who may change rows can have it answered again; the log then shows both."""
    await ended(lanes)
    await lanes.platform.execute("UPDATE deferred SET state = 'accepted', ended_commit = NULL")
    lanes.lanes.messages.clear()
    lanes.lanes.put("lane.text.normal", b"{}")
    for each in lanes.broker.lanes:
        lanes.lanes.put(each.topic, each.value, each.key)
    await lanes.platform.execute("DELETE FROM watermark_steps WHERE grp = 'sealstream.infer'")
    await ended(lanes)
    assert "no leaf before it accepted the record for later, or it had ended" in await findings(lanes)


async def test_a_deferral_whose_row_is_gone(lanes: LanePlatform) -> None:
    await lanes.platform.execute("DELETE FROM deferred")
    assert "its row in deferred is gone" in await findings(lanes)
