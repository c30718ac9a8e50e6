"""The inference stage: one call of each engine for a whole frame, the decision added to each record's values."""

from collections.abc import Sequence

import structlog

from agents.commits.outcomes import Item, MessageOutcome, refuse_item
from agents.inference.comparison import Comparisons
from agents.inference.engine import Decision, Engine, InferenceFailed, ModelInput
from agents.inference.slots import Slot, choose
from agents.inference.transaction_kind import model_input
from schemas.errors import Rejection
from schemas.reasons import Reason
from streams.outages import describe

log = structlog.get_logger(__name__)


class Classifier:
    """Decides the kind of every transaction in a frame.

    Args:
        engines: The model that is active, and the candidate on trial if there is one.
        comparisons: Is told what a candidate says beside the active version.
    """

    def __init__(self, engines: Slot[Engine], comparisons: Comparisons | None = None) -> None:
        self._engines = engines
        self._comparisons = comparisons or Comparisons()
        self._model = engines.active.model.reference

    def classify(self, messages: Sequence[MessageOutcome]) -> None:
        """Add label and confidence to every transaction; one that no engine can answer is rejected alone."""
        asked: list[tuple[MessageOutcome, Item]] = []
        inputs: list[ModelInput] = []
        for message in messages:
            for item in message.items:
                if item.transaction is not None and item.rejection is None:
                    asked.append((message, item))
                    inputs.append(model_input(item.transaction))
        trial = self._engines.trial
        if trial is not None and inputs and self._engines.share:
            asked, inputs = self._share(trial, asked, inputs)
        decisions = self._decide(inputs)
        if trial is not None and inputs and not self._engines.share:
            self._compare(trial, inputs, decisions)
        for (message, item), decision in zip(asked, decisions, strict=True):
            if decision is None:
                refuse_item(message, item, Rejection(Reason.INFERENCE_FAILED, "the engine gave no usable answer"))
            else:
                _decided(item, self._model, decision)

    def _share(
        self, trial: Engine, asked: list[tuple[MessageOutcome, Item]], inputs: list[ModelInput]
    ) -> tuple[list[tuple[MessageOutcome, Item]], list[ModelInput]]:
        """Have the candidate answer its share; returns what is left, and what it gave no answer for."""
        chosen = [n for n, (_, item) in enumerate(asked) if choose(self._engines, item.record_id) is trial]
        decisions = _tried(trial, [inputs[n] for n in chosen])
        model, done = trial.model.reference, set()
        for n, decision in zip(chosen, decisions, strict=True):
            if decision is not None:
                _decided(asked[n][1], model, decision)
                done.add(n)
        left = [n for n in range(len(asked)) if n not in done]
        return [asked[n] for n in left], [inputs[n] for n in left]

    def _compare(self, trial: Engine, inputs: Sequence[ModelInput], decisions: Sequence[Decision | None]) -> None:
        active = self._engines.active.model
        others = _tried(trial, inputs)
        pairs = [(_label(one), _label(other)) for one, other in zip(decisions, others, strict=True)]
        self._comparisons.add(active.name, active.version, trial.model.version, pairs)

    def _decide(self, inputs: Sequence[ModelInput]) -> list[Decision | None]:
        if not inputs:
            return []
        try:
            return list(self._engines.active.classify(inputs))
        except InferenceFailed:
            if len(inputs) == 1:
                return [None]
        half = len(inputs) // 2
        return self._decide(inputs[:half]) + self._decide(inputs[half:])


def _decided(item: Item, model: str, decision: Decision) -> None:
    item.model = model
    item.values += (("confidence", b"%.4f" % decision.confidence), ("label", decision.label.encode()))
    item.values.sort()


def _tried(trial: Engine, inputs: Sequence[ModelInput]) -> Sequence[Decision | None]:
    """A candidate's answers, none where it fails: it is not proven, and no record may suffer from it."""
    if not inputs:
        return []
    try:
        decisions = trial.classify(inputs)
    except Exception as exc:
        log.warning("model.trial_failed", model=trial.model.reference, records=len(inputs), why=describe(exc))
        return [None] * len(inputs)
    if len(decisions) != len(inputs):
        log.warning("model.trial_failed", model=trial.model.reference, records=len(inputs), why="wrong number of rows")
        return [None] * len(inputs)
    return decisions


def _label(decision: Decision | None) -> str:
    return "" if decision is None else decision.label
