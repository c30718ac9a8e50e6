"""The HTTP endpoint of a process, and what stands behind its numbers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest
from aiokafka.errors import ConsumerStoppedError
from faust.types import TP
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from schemas.errors import ConfigurationError
from sealstream.address import Address, parse_address
from sealstream.observe import observed
from sealstream.observe.endpoint import serving
from sealstream.observe.lags import Lags, keep_asking
from sealstream.settings import load_settings
from streams.health import Health
from streams.storage.progress import LogLag, log_lag
from tests.support.exported import exported
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction

LOOPBACK = Address("127.0.0.1", 0)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def by_labels(families: Iterable[Metric]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and labels' values, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("metrics.internal:65535", ("metrics.internal", 65535)),
        ("off", None),
    ],
)
def test_an_address_is_read(text: str, address: tuple[str, int] | None) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "h:-1", "h:²", "on"])
def test_what_is_no_address_is_refused_by_the_settings(text: str) -> None:
    with pytest.raises(ConfigurationError, match="observe_listen"):
        load_settings(observe_listen=text)


@pytest.mark.parametrize("text", ["collector:4318", "grpc://collector:4317", ""])
def test_what_is_no_collector_is_refused_by_the_settings(text: str) -> None:
    with pytest.raises(ConfigurationError, match="otlp_endpoint"):
        load_settings(otlp_endpoint=text)


async def test_health_and_readiness_are_told_apart_with_their_reasons(http: aiohttp.ClientSession) -> None:
    health = Health(["database", "intake"])
    async with serving(LOOPBACK, CollectorRegistry(), health) as address:

        async def ask() -> tuple[int, int, dict[str, object]]:
            async with http.get(f"{address.url}/healthz") as alive, http.get(f"{address.url}/readyz") as ready:
                assert await alive.json() == await ready.json() == health.snapshot()
                return alive.status, ready.status, (await ready.json())["parts"]

        assert (await ask())[:2] == (200, 503)
        health.working("intake")
        health.working("database")
        assert (await ask())[:2] == (200, 200)
        health.waiting("database", "refuses connections")
        alive, ready, parts = await ask()
        assert (alive, ready) == (200, 503)
        assert parts["database"]["why"] == "refuses connections"  # type: ignore[index]
        health.failed("intake", "gave up")
        assert (await ask())[:2] == (503, 503)
    with pytest.raises(aiohttp.ClientConnectionError):
        async with http.get(f"{address.url}/healthz"):
            pass


@pytest.mark.parametrize(("accept", "parse"), [("", text_string_to_metric_families), (
    "application/openmetrics-text; version=1.0.0", open_metrics)])  # fmt: skip
async def test_metrics_are_served_in_the_form_that_is_asked_for(
    http: aiohttp.ClientSession, accept: str, parse: object
) -> None:
    async with (
        serving(LOOPBACK, exported(), Health()) as address,
        http.get(f"{address.url}/metrics", headers={"Accept": accept}) as answer,
    ):
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith(accept.split(";")[0] or "text/plain")
    samples = by_labels(parse(text))  # type: ignore[operator]
    assert samples["sealstream_partition_lag_records", ("0", "transactions")] == 12 - 5, "the later of two known ends"
    assert samples["sealstream_partition_held", ("0", "transactions")] == 0
    assert samples["sealstream_partition_held", ("1", "transactions")] == 1
    assert ("sealstream_partition_lag_records", ("1", "transactions")) not in samples
    assert samples["sealstream_bytes_in_flight", ()] == 300
    assert samples["sealstream_frames_in_work", ()] == 1
    assert samples["sealstream_records_total", ("rejected", "rejected", "stale")] == 1
    assert samples["sealstream_health_state", ("intake", "working")] == 1
    assert samples["sealstream_lane_waiting_records", ("text.normal",)] == 4
    assert samples["sealstream_lane_late_records", ("text.normal",)] == 1
    assert samples["sealstream_lane_oldest_seconds", ("text.normal",)] == 90.5
    assert samples["sealstream_lane_waiting_records", ("text.high",)] == 0, "an empty lane is shown as one"
    assert samples["sealstream_batch_tokens_total", ("padding", "letters@1")] == 4
    assert samples["sealstream_batch_texts_total", ("cpu0", "letters@1")] == 3
    assert samples["sealstream_abstentions_total", ("letters@1",)] == 1
    assert samples["sealstream_device_failures_total", ("cpu0", "device")] == 1
    assert samples["sealstream_device_state", ("cpu0", "degraded")] == 1
    assert ("sealstream_device_state", ("cpu1", "healthy")) not in samples, "it is gone"


@pytest.mark.parametrize("path", ["/", "/metrics/x", "/../etc/passwd", "/%00"])
async def test_there_is_nothing_else(http: aiohttp.ClientSession, path: str) -> None:
    async with serving(LOOPBACK, CollectorRegistry(), Health()) as address:
        async with http.get(f"{address.url}{path}") as answer:
            assert answer.status == 404
        async with http.post(f"{address.url}/metrics") as answer:
            assert answer.status == 405


async def test_a_port_that_is_taken_makes_way_for_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with serving(Address("127.0.0.1", port), CollectorRegistry(), Health()) as address:
            assert port < address.port <= port + 64


async def test_an_address_that_is_not_ours_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="SEALSTREAM_OBSERVE_LISTEN"):
        async with serving(Address("203.0.113.1", 0), CollectorRegistry(), Health()):
            pass


async def test_off_serves_nothing_and_watches_nothing() -> None:
    async with observed(load_settings(observe_listen="off"), "intake", Health()) as observation:
        assert observation.url is None
        assert type(observation.observer).__name__ == "Observer"


async def test_what_is_committed_is_counted_by_what_became_of_it(
    platform: Installation, http: aiohttp.ClientSession
) -> None:
    async with observed(load_settings(), "intake", Health()) as observation:
        worker = await platform.worker(observer=observation.observer)
        inbox, statements = Inbox(), Inbox("statements")
        BANK_A.put(inbox, transaction("a"), transaction("a"), transaction("a", amount="7.00"))
        BANK_A.put(inbox, transaction("bad", amount="-1"), transaction("p", status="PDNG"))
        BANK_A.put(statements, statement("s", [entry("R1"), entry("R2", stated="1,0")]), statement("empty", []))
        BANK_A.put(statements, statement("s", [entry("R1"), entry("R2", stated="1,0")]))
        await worker.commit(inbox.take(), statements.take())
        await worker.commit(inbox.batch(0, 5))
        async with http.get(f"{observation.url}/metrics") as answer:
            samples = by_labels(text_string_to_metric_families(await answer.text()))
    counted = {labels: value for (name, labels), value in samples.items() if name == "sealstream_records_total"}
    assert counted == {
        ("result", "booked", ""): 2,
        ("result", "pending", ""): 1,
        ("accepted", "accepted", ""): 2,
        ("duplicate", "duplicate", ""): 2,
        ("rejected", "rejected", "conflict"): 1,
        ("rejected", "rejected", "schema_violation"): 2,
    }
    assert samples["sealstream_commit_messages_sum", ()] == 8
    assert samples["sealstream_commit_frames_sum", ()] == 2
    assert samples["sealstream_commit_seconds_count", ()] == 1
    assert samples["sealstream_compare_and_set_lost_total", ()] == 1
    assert samples["sealstream_frame_records_count", ()] == 3
    assert samples["sealstream_stage_seconds_count", ("seal",)] == 3


async def test_the_logs_lag_counts_what_has_no_place_and_what_is_not_published(
    platform: Installation, worker: Worker
) -> None:
    async def lag() -> tuple[int, bool, int]:
        async with platform.database.session() as connection:
            found = await log_lag(connection)
        return found.waiting, found.seconds > 0, found.unpublished

    await platform.empty_logs()
    assert await lag() == (0, False, 0)
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"a{n}") for n in range(5)))
    BANK_B.put(inbox, transaction("b"))
    await worker.commit(inbox.take())
    assert await lag() == (6, True, 0)
    await platform.sequence()
    assert await lag() == (0, False, 6)
    BANK_A.put(inbox, transaction("a5"))
    await worker.commit(inbox.take())
    assert await lag() == (1, True, 6)


class Away:
    """A broker, or a database, that does not answer any more."""

    reader: "Away"

    def __init__(self) -> None:
        self.reader = self
        self.asked = 0

    def assignment(self) -> set[TP]:
        return {TP("t", 0)}

    async def ends(self, tps: object) -> dict[TP, int]:
        self.asked += 1
        raise ConsumerStoppedError

    def session(self) -> object:
        raise ConnectionResetError


async def test_a_lag_that_nobody_can_tell_is_left_out_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealstream.observe.lags.EVERY_SECONDS", 0.01)
    away, lags = Away(), Lags({TP("t", 0): 7}, LogLag(1, 1.0, 1))
    asking = asyncio.create_task(keep_asking(lags, lambda: away, lambda: away))  # type: ignore[arg-type, return-value]
    while away.asked < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert not asking.done()
    assert (lags.ends, lags.log) == ({}, None)
    asking.cancel()
