"""Shadows of text models: a candidate answers what the active version has answered, and both are compared.

Nothing of it is ever a result. A shadow sees the records that there is room for: its work has low urgency, is not kept
beyond `MOST_WAITING`, is not repeated when it fails, and is dropped with the worker. A candidate that a device hangs or
dies on gets no more work of this process, so that it costs the records in lanes one batch at most.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from agents.inference.engine import InferenceFailed
from agents.inference.text_model import DeviceFailed, InferenceDevice, PreparedText, TextAnswer
from agents.lanes.answers import check_answers
from agents.lanes.device_health import stood_still
from agents.lanes.infer_setup import InferParts
from agents.scheduling.scheduler import Fault, Started
from agents.scheduling.work import Modality, Urgency, WorkItem

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 64
"""Texts that wait for shadows; what comes while there are so many is not compared."""

PATIENCE_US: Final = 60_000_000
"""Until when a shadow's answer is wanted: late is as good, but the scheduler refuses what can't be in time."""

NOT_FOUND: Final = "(not found)"
"""Stands for the kind of a value that only one of two extractors found, or neither: unlike nothing, it is an answer."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A text that a shadow has to answer, and what the active version said."""

    active: str
    text: PreparedText
    answer: TextAnswer


class Shadowing:
    """The shadows of one worker.

    Args:
        answer_seconds: After which a device counts as lost.
        clock_us: The worker's.
    """

    def __init__(self, parts: InferParts, answer_seconds: float, clock_us: Callable[[], int]) -> None:
        self._parts = parts
        self._answer_seconds = answer_seconds
        self._clock_us = clock_us
        self._waiting: dict[str, _Waiting] = {}
        self._stopped: set[str] = set()
        self._number = 0

    def owns(self, started: Started) -> bool:
        """Whether a batch is a shadow's: no other work is ever given to its model."""
        return started.assignment.items[0].id in self._waiting

    async def offer(self, active: str, texts: Sequence[PreparedText], answers: Sequence[TextAnswer]) -> None:
        """Offer what the active version has answered to its shadow, as far as there is room."""
        trial = self._parts.shadows.get(active)
        room = MOST_WAITING - len(self._waiting)
        if trial is None or trial in self._stopped or room <= 0:
            return
        asked = list(zip(texts, answers, strict=True))[:room]
        try:
            # It may have another tokenizer.
            prepared = await asyncio.to_thread(self._parts.models[trial].prepare, [text.text for text, _ in asked])
        except Exception as exc:
            log.warning("model.trial_failed", model=trial, records=len(asked), error=type(exc).__name__)
            self._compare(active, trial, [answer for _, answer in asked], [None] * len(asked))
            return
        for (_, answer), text in zip(asked, prepared, strict=False):
            self._offer(trial, _Waiting(active, text, answer))

    def _offer(self, trial: str, waiting: _Waiting) -> None:
        now = self._clock_us()
        self._number += 1
        name, size = f"shadow/{self._number}", len(waiting.text.text)
        item = WorkItem(name, Modality.TEXT, Urgency.LOW, trial, waiting.text.tokens, size, now, now + PATIENCE_US)
        if self._parts.scheduler.offer(item, now).item is not None:
            self._waiting[name] = waiting

    async def run(self, started: Started) -> None:
        """Have a batch answered by the shadow, and compare."""
        assignment, trial = started.assignment, started.assignment.items[0].model
        waiting = [self._waiting.pop(item.id) for item in assignment.items]
        device = self._parts.slot_of(assignment)
        began = self._clock_us()
        answers: Sequence[TextAnswer | None] = [None] * len(waiting)
        try:
            answers = await self._answers(device, trial, [each.text for each in waiting])
        except Exception as exc:
            log.warning("model.trial_failed", model=trial, records=len(waiting), error=type(exc).__name__)
            if isinstance(exc, DeviceFailed) or not isinstance(exc, InferenceFailed):
                self._stop(trial, started)
        # Even if it failed: a candidate must not make a device look bad that answers others.
        self._parts.scheduler.completed(started.number, self._clock_us() - began - stood_still(device))
        by_active: dict[str, list[tuple[TextAnswer, TextAnswer | None]]] = {}
        for each, answer in zip(waiting, answers, strict=True):
            by_active.setdefault(each.active, []).append((each.answer, answer))
        for active, both in by_active.items():
            self._compare(active, trial, *map(list, zip(*both, strict=True)))

    async def _answers(
        self, device: InferenceDevice, trial: str, texts: Sequence[PreparedText]
    ) -> Sequence[TextAnswer]:
        async with asyncio.timeout(self._answer_seconds):
            answers = await device.answer(trial, texts)
        return check_answers(answers, texts, self._parts.models[trial].model)

    def _stop(self, trial: str, started: Started) -> None:
        """The device is to be given up as after any hang; the shadow's texts are not tried again."""
        log.error("model.trial_stopped", model=trial, device=started.assignment.device)
        self._stopped.add(trial)
        self._parts.scheduler.failed(started.number, Fault.DEVICE, self._clock_us())
        dropped = [item.id for item in started.assignment.items]
        for name in (*dropped, *(name for name, each in self._waiting.items() if self._is_of(each, trial))):
            self._parts.scheduler.withdraw(name)
        self._waiting = {name: each for name, each in self._waiting.items() if not self._is_of(each, trial)}

    def _is_of(self, waiting: _Waiting, trial: str) -> bool:
        return self._parts.shadows.get(waiting.active) == trial

    def _compare(
        self, active: str, trial: str, answers: Sequence[TextAnswer], others: Sequence[TextAnswer | None]
    ) -> None:
        ours, its = self._parts.models[active].model, self._parts.models[trial].model
        pairs = [pair for one, other in zip(answers, others, strict=True) for pair in label_pairs(one, other)]
        self._parts.comparisons.add(ours.name, ours.version, its.version, pairs)


def label_pairs(active: TextAnswer, trial: TextAnswer | None) -> list[tuple[str, str]]:
    """What both versions said of one text: a pair of labels, and of an extractor a pair of kinds for each value.

    Args:
        trial: None where it has no answer, which an empty label stands for.
    """
    if active.label is not None:
        return [(active.label, (trial.label or "") if trial is not None else "")]
    if trial is None:
        return [(NOT_FOUND, "")]
    ours, its = _kinds(active), _kinds(trial)
    spans = sorted(ours.keys() | its.keys())
    return [(ours.get(span, NOT_FOUND), its.get(span, NOT_FOUND)) for span in spans] or [(NOT_FOUND, NOT_FOUND)]


def _kinds(answer: TextAnswer) -> Mapping[tuple[int, int], str]:
    return {(each.start, each.end): each.kind for each in answer.extracted}
