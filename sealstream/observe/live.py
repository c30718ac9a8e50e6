"""Prometheus metrics of what is there at the moment somebody asks: health, partitions, bytes in flight, lags, ages."""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.commits.routing import LANES
from agents.log.witnessing import Standing
from sealstream.observe.lags import Lags
from streams.frames import FrameConsumer
from streams.health import Health, State
from streams.storage.deferring import LaneDepth


class Live(Collector):
    """Reads the parts of a process when it is asked; keeps nothing itself.

    Args:
        role: The roles of this process, joined by commas.
        consumer: Gives the consumer, while there is one.
        registry_age: Seconds since keys and catalogue were looked at; None when they never were.
    """

    def __init__(
        self,
        role: str,
        group: str,
        health: Health,
        lags: Lags,
        consumer: Callable[[], FrameConsumer | None],
        registry_age: Callable[[], float | None],
    ) -> None:
        self._info = {"role": role, "group": group, "version": version("sealstream")}
        self._health = health
        self._lags = lags
        self._consumer = consumer
        self._registry_age = registry_age

    def collect(self) -> Iterator[Metric]:
        """All of them; one whose value is not known is left out."""
        yield InfoMetricFamily("sealstream_process", "What this process is.", self._info)
        yield from self._health_metrics()
        consumer = self._consumer()
        if consumer is not None:
            yield from self._consumer_metrics(consumer)
        age = self._registry_age()
        if age is not None:
            yield GaugeMetricFamily(
                "sealstream_registry_age_seconds", "Since keys and catalogue were last read from the database.", age
            )
        if self._lags.log is not None:
            yield from self._log_metrics()
        if self._lags.lanes is not None:
            yield from self._lane_metrics(self._lags.lanes)
        if self._lags.witnesses:
            yield from self._witness_metrics()

    def _health_metrics(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("sealstream_alive", "1 unless a part has given up.", int(self._health.alive))
        yield GaugeMetricFamily("sealstream_ready", "1 while every part works.", int(self._health.ready))
        states = GaugeMetricFamily(
            "sealstream_health_state", "1 for the state that a part is in.", labels=("part", "state")
        )
        for name, part in sorted(self._health.parts().items()):
            for state in State:
                states.add_metric((name, state.value), int(part.state is state))
        yield states

    def _consumer_metrics(self, consumer: FrameConsumer) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "sealstream_partition_lag_records",
            "Offsets between a partition's watermark and its end.",
            labels=("topic", "partition"),
        )
        held = GaugeMetricFamily(
            "sealstream_partition_held",
            "1 for a partition that is assigned to this process and not read: refused, or its position is unknown.",
            labels=("topic", "partition"),
        )
        ledger = consumer.ledger
        for tp in sorted(consumer.assignment()):
            labels = (tp.topic, str(tp.partition))
            cursor = ledger.cursor(tp)
            held.add_metric(labels, int(cursor is None))
            known = [end for end in (consumer.reader.stable_end(tp), self._lags.ends.get(tp)) if end is not None]
            if cursor is not None and known:
                lag.add_metric(labels, max(0, max(known) - cursor.acked_to))
        yield lag
        yield held
        yield GaugeMetricFamily(
            "sealstream_bytes_in_flight", "Resident bytes of records in work.", ledger.budget.held_bytes
        )
        yield GaugeMetricFamily(
            "sealstream_budget_bytes", "Bytes that may be in work at once.", ledger.budget.limit_bytes
        )
        frames = sum(cursor.frames_out for cursor in ledger.cursors().values())
        yield GaugeMetricFamily("sealstream_frames_in_work", "Frames fetched and not yet committed.", frames)

    def _lane_metrics(self, lanes: Sequence[LaneDepth]) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "sealstream_lane_waiting_records", "Deferred records that wait in a lane.", labels=("lane",)
        )
        late = GaugeMetricFamily(
            "sealstream_lane_late_records", "Those of them that are past their deadline.", labels=("lane",)
        )
        oldest = GaugeMetricFamily(
            "sealstream_lane_oldest_seconds", "Since the oldest record that waits was accepted.", labels=("lane",)
        )
        found = {each.lane: each for each in lanes}
        for lane in sorted({*found, *LANES}):
            each = found.get(lane) or LaneDepth(lane, 0, 0.0, 0)
            waiting.add_metric((lane,), each.records)
            late.add_metric((lane,), each.late)
            oldest.add_metric((lane,), each.seconds)
        yield waiting
        yield late
        yield oldest

    def _witness_metrics(self) -> Iterator[Metric]:
        labels = ("witness", "log")
        behind = GaugeMetricFamily(
            "sealstream_witness_lag_seconds",
            "Age of the oldest checkpoint that a witness has not gone past.",
            labels=labels,
        )
        conflict = GaugeMetricFamily(
            "sealstream_witness_conflict",
            "1 while a witness says that it has cosigned another history of a log, or a larger log than there is.",
            labels=labels,
        )
        for state in self._lags.witnesses:
            behind.add_metric((state.witness, state.origin), state.behind)
            conflict.add_metric((state.witness, state.origin), int(state.state == Standing.CONFLICT))
        yield behind
        yield conflict

    def _log_metrics(self) -> Iterator[Metric]:
        lag = self._lags.log
        if lag is None:
            return
        yield GaugeMetricFamily(
            "sealstream_sequencer_lag_leaves", "Leaves committed that have no place in a log yet.", lag.waiting
        )
        yield GaugeMetricFamily(
            "sealstream_sequencer_lag_seconds", "Age of the oldest commit that has no place yet.", lag.seconds
        )
        yield GaugeMetricFamily(
            "sealstream_relay_lag_leaves", "Leaves that have a place and are not published yet.", lag.unpublished
        )
