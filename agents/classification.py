"""The inference stage: one call of the engine for a whole frame, the decision added to each record's values."""

from collections.abc import Sequence

from agents.inference.engine import Decision, Engine, InferenceFailed, ModelInput
from agents.inference.transaction_kind import model_input
from agents.outcomes import Item, MessageOutcome, refuse_item
from schemas.errors import Rejection
from schemas.reasons import Reason


class Classifier:
    """Decides the kind of every transaction in a frame."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._model = engine.model.in_leaves

    def classify(self, messages: Sequence[MessageOutcome]) -> None:
        """Add label and confidence to every transaction; one the engine can't answer is rejected alone."""
        asked: list[tuple[MessageOutcome, Item]] = []
        inputs: list[ModelInput] = []
        for message in messages:
            for item in message.items:
                if item.transaction is not None and item.rejection is None:
                    asked.append((message, item))
                    inputs.append(model_input(item.transaction))
        for (message, item), decision in zip(asked, self._decide(inputs), strict=True):
            if decision is None:
                refuse_item(message, item, Rejection(Reason.INFERENCE_FAILED, "the engine gave no usable answer"))
            else:
                item.model = self._model
                item.values += (("confidence", b"%.4f" % decision.confidence), ("label", decision.label.encode()))
                item.values.sort()

    def _decide(self, inputs: Sequence[ModelInput]) -> list[Decision | None]:
        if not inputs:
            return []
        try:
            return list(self._engine.classify(inputs))
        except InferenceFailed:
            if len(inputs) == 1:
                return [None]
        half = len(inputs) // 2
        return self._decide(inputs[:half]) + self._decide(inputs[half:])
