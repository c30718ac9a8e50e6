"""Every part runs, small, on the embedded broker, and finds what it says it measures.

In this process, over one database server, and the processes of a part are forked: what takes time is to start them all.
One part runs as a command, as users run it: the one that starts no server.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module

import msgspec
import pytest

from bench import backlog
from bench.findings import Findings
from bench.readers import READERS
from bench.servers import Servers, running_servers
from bench.variants import VARIANTS
from tests.support.forked_programs import forked_programs

SMALL = ["--quick", "--json", "--broker", "embedded"]
LIMIT_SECONDS = 400

Run = Callable[..., Awaitable[Findings]]


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[Servers]:
    async with running_servers() as found:
        yield found


@pytest.fixture
def run(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Run:
    @asynccontextmanager
    async def running() -> AsyncIterator[Servers]:
        yield servers

    async def run(name: str, *arguments: str) -> Findings:
        module = import_module(f"bench.{name}")
        if hasattr(module, "running_servers"):
            monkeypatch.setattr(module, "running_servers", running)
        options = module.PART.options(module.PART.parser().parse_args([*SMALL, *arguments]))
        with forked_programs():
            found = await module.PART.run(options)
        return msgspec.json.decode(msgspec.json.encode(found), type=Findings)

    return run


async def test_every_variant_commits_every_record(run: Run) -> None:
    sizes = ("--warming", "0", "--records", "400", "--few", "20", "--payloads", "brief", "--workers", "1")
    found = await run("throughput", *sizes)
    speed, cost, limits = found.tables
    assert [row[0] for row in speed.rows[: len(VARIANTS)]] == [f"{each.title}, 1 proc." for each in VARIANTS.values()]
    assert len(limits.rows) == len(VARIANTS) - 1
    commits = {row[0]: row[cost.columns.index("records a commit")] for row in cost.rows}
    # Every variant went through a commit for each record or for many, as it says it does.
    assert commits["Faust as documented, 1 proc."] == "1"
    assert all(commits[f"{VARIANTS[name].title}, 1 proc."] != "1" for name in ("pipeline", "faust_take", "quix"))


async def test_every_reader_gets_every_record(run: Run) -> None:
    # Bare records, which a full run reads as well, are what the paced runs publish.
    sizes = ("--records", "3000", "--few", "300", "--kinds", "signed", "--rate", "200", "--paced-seconds", "2")
    found = await run("transport", *sizes)
    backlog, paced = found.tables
    assert len(backlog.rows) == len(READERS)
    assert len(paced.rows) == len(READERS)
    ratios = {f"frames/{name}" for name in ("faust", "quix", "aiokafka")}
    assert found.figures.keys() == ratios | {"frames_p99/aiokafka_p99"}


async def test_latency_is_measured_at_both_rates(run: Run) -> None:
    found = await run("latency", "--capacity", "100", "--seconds", "2", "--slow-seconds", "2", "--workers", "1")
    assert 0 < found.figures["half_p50"] <= found.figures["half_p99"]
    assert found.figures["new_p99"] > 0
    assert 0 < found.figures["one_p50"] <= found.figures["one_p99"]


async def test_a_backlog_is_worked_off_and_memory_watched(run: Run) -> None:
    found = await run("backlog", "--records", "3000", "--workers", "1")
    assert found.figures["last/first"] > 0
    assert 50 < found.figures["rss"] < 1_000


async def test_tables_are_filled_and_every_question_answered(run: Run) -> None:
    found = await run("rows", "--sizes", "1000", "2000")
    costs = found.tables[0]
    assert costs.columns[1:] == ["1,000", "2,000"]
    assert all(">" not in cell for row in costs.rows for cell in row[1:])


async def test_ids_and_terms_without_records_are_loaded_as_often_as_needed(run: Run) -> None:
    found = await run("claims", "--sizes", "1000", "6000", "12000")
    costs, _, sizes = found.tables
    assert costs.columns[1:] == ["1,000", "6,000", "12,000"]
    each = {row[0]: row[3] for row in sizes.rows}
    assert int(each["identities"]) > 100  # bytes, of which the index has some 30
    assert int(each["terms"]) > 100


async def test_what_sealing_and_signatures_cost_is_measured_beside_each_other(run: Run) -> None:
    found = await run("trust", "--records", "1000")
    assert found.figures["encryption"] < 1
    assert found.figures["batch/single"] > 0
    assert found.figures["aes-256-gcm four fields"] < found.figures["sm4-gcm four fields"]


async def test_searches_find_by_blind_term(run: Run) -> None:
    found = await run("search", "--records", "2000", "--queries", "20")
    assert 0 < found.figures["one_p50"] <= found.figures["one_p99"]
    assert 0 < found.figures["shared_p50"] <= found.figures["shared_p99"]


async def test_the_log_is_measured_from_every_side(run: Run) -> None:
    found = await run("log", "--commits", "5", "--leaves", "20", "--looks", "50", "--records", "200", "--large", "2048")
    assert all(value > 0 for value in found.figures.values())
    assert {"leaves", "lag_p99", "look_p99", "log_share", "proof_2048", "verify_tree"} <= found.figures.keys()


async def test_steps_add_up(run: Run) -> None:
    found = await run("steps", "--records", "500")
    parts = ("verify", "interpret", "classify", "seal", "commit")
    assert abs(sum(found.figures[name] for name in parts) - found.figures["whole"]) < 0.01


def test_policies_are_compared_on_the_same_load() -> None:
    sizes = ("--steps", "50", "--items", "1500")
    command = [sys.executable, "-m", "bench.scheduling", *SMALL, *sizes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = msgspec.json.decode(done.stdout, type=Findings)
    usual = {"step_us", "high_p99_ratio", "rate_ratio", "high_p99_ratio_two", "rate_ratio_two"}
    assert found.figures.keys() == usual | {f"{name}_express" for name in usual}
    assert all(value > 0 for value in found.figures.values())
    assert [len(table.rows) for table in found.tables] == [5, 5]


def test_an_unknown_broker_is_refused_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        backlog.PART.main(["--quick", "--broker", "none"])
    assert refused.value.code == 2
    assert "invalid BrokerKind value" in capsys.readouterr().err
