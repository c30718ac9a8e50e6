"""The private attributes of aiokafka we rely on are still there, and still do what we need them for."""

import inspect

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.transport.consumer import Fetcher

from schemas.errors import ConfigurationError
from streams.frames.batches import GuardedPartition, GuardedRecords
from streams.frames.consumer import FrameConsumer
from streams.frames.internals import (
    client_of,
    end_fetches,
    fetch_beside_held_partitions,
    group_generation,
    next_fetch,
    unpack_guarded,
)


async def test_a_consumer_has_a_fetcher_with_a_prefetch_backoff_that_its_results_use():
    kafka = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    assert kafka._fetcher is None, "made by start()"
    kafka._fetcher = aiokafka_fetcher.Fetcher(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())
    try:
        assert kafka._fetcher._prefetch_backoff > 0
        fetch_beside_held_partitions(kafka, 0.25)
        assert kafka._fetcher._prefetch_backoff == 0.25
    finally:
        await kafka._fetcher.close()
        kafka._fetcher = None
        await kafka.stop()
    assert "backoff=self._prefetch_backoff" in inspect.getsource(aiokafka_fetcher.Fetcher._proc_fetch_request)


async def test_a_consumer_has_a_fetcher_that_tells_whoever_waits_for_its_next_fetch():
    fetcher = aiokafka_fetcher.Fetcher(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())

    class Consumer:
        _fetcher = fetcher

    try:
        waiting = next_fetch(Consumer())
        assert fetcher._fetch_waiters == {waiting}
        routine = inspect.getsource(aiokafka_fetcher.Fetcher._fetch_requests_routine)
        assert "for waiter in self._fetch_waiters" in routine
    finally:
        await fetcher.close()
    assert waiting.done(), "nothing will come any more"


def test_the_fetcher_of_faust_runs_the_loop_that_frames_replace():
    assert "consumer._drain_messages(self)" in inspect.getsource(Fetcher)
    assert "_drain_messages" in vars(FrameConsumer)


async def test_one_consumer_unpacks_with_our_classes_and_the_others_do_not():
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    ours, other = (aiokafka_fetcher.Fetcher(client, SubscriptionState()) for _ in range(2))

    class Consumer:
        _fetcher = ours
        _client = client

    try:
        unpack_guarded(Consumer())
        names = {"MemoryRecords": GuardedRecords, "PartitionRecords": GuardedPartition}
        assert names.items() <= ours._proc_fetch_request.__func__.__globals__.items()
        assert ours._proc_fetch_request.__self__ is ours
        untouched = other._proc_fetch_request.__func__.__globals__
        assert untouched is vars(aiokafka_fetcher)
        assert not any(untouched[name] is kind for name, kind in names.items())
        assert client_of(Consumer()) is client
        with pytest.raises(ConfigurationError, match="another way"):
            unpack_guarded(Consumer())
    finally:
        for each in (ours, other):
            await each.close()


async def test_a_group_coordinator_has_a_generation():
    kafka = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", group_id="g")
    kafka._coordinator = GroupCoordinator(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())
    try:
        assert group_generation(kafka) == kafka._coordinator.generation
    finally:
        await kafka.stop()


async def test_a_cancelled_fetch_is_no_longer_counted():
    kafka = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    subscription = kafka._subscription
    with pytest.raises(KeyError), subscription.fetch_context():
        raise KeyError
    end_fetches(kafka)
    assert subscription._fetch_count == 0
    assert 0 <= subscription.fetcher_idle_time < 60
    await kafka.stop()


async def test_a_renamed_attribute_is_a_clear_error():
    class Renamed:
        _fetcher = object()
        _coordinator = object()
        _subscription = object()

    with pytest.raises(ConfigurationError, match="_client"):
        client_of(Renamed())
    with pytest.raises(ConfigurationError, match="_prefetch_backoff"):
        fetch_beside_held_partitions(Renamed(), 0.25)
    with pytest.raises(ConfigurationError, match="_create_fetch_waiter"):
        next_fetch(Renamed())
    with pytest.raises(ConfigurationError, match="_fetch_count"):
        end_fetches(Renamed())
    with pytest.raises(ConfigurationError, match="generation"):
        group_generation(Renamed())
