"""Task tracking and throughput without a browser: deferred records, the scheduler's decisions, counts, reach."""

import datetime as dt
import re
from collections.abc import AsyncIterator

import pytest
from lxml import etree

from sealstream.console.chart import by_minute, minutes_chart
from tests.support.api import AUDITOR, OPERATOR, OTHER_OPERATOR, READER, STRANGER, served
from tests.support.console import Caller, caller
from tests.support.installation import Installation
from tests.support.lanes import LanePlatform, Scripted, filled_lanes

MINUTES = [dt.datetime(2026, 3, 2, 8, n, tzinfo=dt.UTC) for n in range(15)]


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    return await filled_lanes(platform, 2)


@pytest.fixture
async def visit(platform: Installation, lanes: LanePlatform) -> AsyncIterator[Caller]:
    async with served(platform) as site, caller(site) as found:
        yield found


async def a_record(visit: Caller) -> str:
    return str(await visit.site.platform.one("SELECT record_id FROM deferred ORDER BY record_id LIMIT 1"))


async def test_a_deferred_records_stages_have_its_plan_and_then_device_and_model(
    visit: Caller, lanes: LanePlatform
) -> None:
    record = await a_record(visit)
    await visit.log_in(OPERATOR)
    waiting = (await visit.get(f"/tasks/{record}")).text
    assert re.findall(r'data-stage="(\w+)"', waiting) == ["received", "deferred"]
    assert "<code>deadline</code>" in waiting
    plan = (await visit.site.get(OPERATOR, f"/v1/tasks/{record}")).json()["stages"][1]
    assert plan["decision"]["lane"] == plan["lane"]
    async with lanes.running(Scripted("d0")):
        await lanes.until_ended()
    await visit.site.platform.sequence()
    done = (await visit.get(f"/tasks/{record}")).text
    assert re.findall(r'data-stage="(\w+)"', done)[-1] == "result"
    assert re.search(r"<code>device</code></dt><dd>d0</dd>", done)
    answered = (await visit.site.get(OPERATOR, f"/v1/tasks/{record}")).json()["stages"][-1]
    assert answered["model"] in done
    assert "I ask for number" not in done


async def test_tasks_are_found_by_id_within_ones_reach(visit: Caller) -> None:
    record = await a_record(visit)
    await visit.log_in(READER)
    assert (await visit.get(f"/tasks?task={record}")).headers["location"] == f"/console/tasks/{record}"
    assert (await visit.get("/tasks?task=x")).status_code == 422
    assert (await visit.get("/tasks")).status_code == 200
    await visit.log_in(STRANGER)
    assert (await visit.get(f"/tasks/{record}")).status_code == 404


async def test_what_waits_is_told_to_those_who_look_after_everybody(visit: Caller, lanes: LanePlatform) -> None:
    await visit.log_in(AUDITOR)
    page = (await visit.get("/throughput")).text
    waiting = re.findall(r"<dt>Lane \S+</dt><dd>(\d+) records, (\d+) late", page)
    assert sum(int(count) for count, _ in waiting) == 2
    assert 'hx-trigger="every 5s"' in page
    part = (await visit.get("/throughput?minutes=15", headers={"HX-Request": "true"})).text
    assert "<html" not in part
    assert "<svg" in part
    assert "hx-trigger" not in (await visit.get("/throughput?live=0")).text
    for wrong in ("minutes=61", "minutes=0", "live=2"):
        assert (await visit.get(f"/throughput?{wrong}")).status_code == 422
    await visit.log_in(OPERATOR)
    assert "What waits" not in (await visit.get("/throughput")).text
    await visit.log_in(READER)
    assert (await visit.get("/throughput")).status_code == 403


async def test_throughput_is_that_of_ones_tenant(visit: Caller, lanes: LanePlatform) -> None:
    async with lanes.running(Scripted("d0")):
        await lanes.until_ended()
    for who, count in ((OPERATOR, 2), (OTHER_OPERATOR, 0)):
        await visit.log_in(who)
        cells = re.findall(r"<td>(\d+)</td>", (await visit.get("/throughput?minutes=15")).text)
        assert sum(map(int, cells)) == count


def test_the_chart_has_a_line_for_each_outcome_and_no_style_or_script() -> None:
    hostile = '"><script>x</script>'
    found = [(MINUTES[3], "accepted", 40), (MINUTES[5], hostile, 7), (MINUTES[5], "accepted", 1)]
    text = minutes_chart(found, MINUTES, str.upper)
    drawn = etree.fromstring(text.encode())
    names = {etree.QName(each).localname for each in drawn.iter()}
    assert not names & {"style", "script", "image", "foreignObject"}
    assert not [each for each in drawn.iter() if "style" in each.attrib or any(n.startswith("on") for n in each.attrib)]
    paths = drawn.findall(".//{*}g[@class='series lines']/{*}path")
    assert len(paths) == 2
    assert len({path.get("stroke-dasharray") for path in paths}) == 2
    # Every minute has its point, those without records too.
    assert [len(re.findall(r"[ML]", path.get("d") or "")) for path in paths] == [len(MINUTES)] * 2
    texts = [each.text for each in drawn.iter("{*}text")]
    assert hostile.upper() in texts
    assert {"08:00", "08:14"} <= set(texts)


def test_a_chart_of_nothing_is_drawn_too() -> None:
    assert "<svg" in minutes_chart([], MINUTES, str)


def test_the_table_has_the_newest_minute_first() -> None:
    table = by_minute([(MINUTES[1], "accepted", 2), (MINUTES[2], "rejected", 1), (MINUTES[1], "rejected", 3)])
    assert list(table.items()) == [(MINUTES[2], {"rejected": 1}), (MINUTES[1], {"rejected": 3, "accepted": 2})]
