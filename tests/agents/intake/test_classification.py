import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.commits.leaves import LogRef
from agents.commits.outcomes import Item, MessageOutcome, Owner, Place
from agents.inference.comparison import Comparisons
from agents.inference.engine import Decision, Engine, InferenceFailed, ModelIdentity, ModelInput
from agents.inference.slots import Slot, choose
from agents.intake.classification import Classifier
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction

MOMENT = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
OWNER = Owner(LogRef(1, "t", "o"), "d")


class Fragile:
    """Answers with the text itself; a frame that holds a poisoned text gets no answer at all."""

    model = ModelIdentity("fragile", "2.0.0", "abcd", ("x",))

    def __init__(self) -> None:
        self.calls = 0

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        self.calls += 1
        if any(item.text.startswith("poison") for item in items):
            raise InferenceFailed("this frame can't be answered")
        return [Decision(item.text, 0.25) for item in items]


def message(texts: Sequence[str], *, statement: bool) -> MessageOutcome:
    made = MessageOutcome(OWNER, Place("t", 0, 0, MOMENT, MOMENT), b"m" * 16, b"")
    if statement:
        made.header_outcome = "balanced"
    made.items = [
        Item(
            b"r%d" % n,
            n if statement else None,
            "type",
            "type",
            "booked",
            [("amount", b"1"), ("remittance_information", text.encode())],
            transaction=Transaction(amount=Decimal(1), remittance_information=text),
            entry_token=b"token",
        )
        for n, text in enumerate(texts)
    ]
    return made


def test_every_transaction_of_a_frame_gets_its_own_decision_in_one_call() -> None:
    engine = Fragile()
    messages = [message(["a"], statement=False), message(["b", "c"], statement=True), message([], statement=True)]
    Classifier(Slot(engine)).classify(messages)
    items = [item for each in messages for item in each.items]
    assert [dict(item.values)["label"] for item in items] == [b"a", b"b", b"c"]
    assert {dict(item.values)["confidence"] for item in items} == {b"0.2500"}
    assert all([name for name, _ in item.values] == sorted(name for name, _ in item.values) for item in items)
    assert {item.model for item in items} == {"fragile@2.0.0 sha256:abcd"}
    assert engine.calls == 1


def test_nothing_to_decide_is_not_asked() -> None:
    engine = Fragile()
    refused = message(["a"], statement=True)
    refused.items[0].rejection = Rejection(Reason.INCOMPLETE, "somewhere")
    Classifier(Slot(engine)).classify([refused, message([], statement=True)])
    assert engine.calls == 0
    assert refused.items[0].model is None


@given(st.lists(st.booleans(), max_size=40))
def test_a_poisoned_record_never_costs_another_one(poisoned: list[bool]) -> None:
    engine = Fragile()
    texts = ["poison" if bad else f"text {n}" for n, bad in enumerate(poisoned)]
    messages = [message(texts[:20], statement=True), *(message([text], statement=False) for text in texts[20:])]
    Classifier(Slot(engine)).classify(messages)
    for n, item in enumerate(messages[0].items):
        bad = poisoned[n]
        assert (item.rejection is not None) == bad
        assert bad or dict(item.values)["label"] == f"text {n}".encode()
        assert not bad or (item.entry_token is None and item.rejection.reason is Reason.INFERENCE_FAILED)  # type: ignore[union-attr]
    for each, bad in zip(messages[1:], poisoned[20:], strict=True):
        assert (each.rejection is not None) == bad
        assert len(each.items) == (0 if bad else 1)
    # Bisecting: a bad record costs a logarithm of calls, not one for every record.
    assert engine.calls <= 1 + 2 * 6 * max(1, sum(poisoned))


class Trial(Fragile):
    """A candidate: answers in capitals, or fails in a way of its own."""

    model = ModelIdentity("fragile", "3.0.0", "ef" * 32, ("x",))

    def __init__(self, failure: Exception | None = None, *, rows: int | None = None) -> None:
        super().__init__()
        self._failure = failure
        self._rows = rows

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        self.calls += 1
        if self._failure is not None:
            raise self._failure
        return [Decision(item.text.upper(), 0.5) for item in items][: self._rows]


TEXTS = [f"text {n}" for n in range(40)]
BROKEN = [
    pytest.param(Trial(InferenceFailed("no")), id="no-answer"),
    pytest.param(Trial(ZeroDivisionError("a text of a record")), id="a-defect"),
    pytest.param(Trial(rows=1), id="too-few-rows"),
]


def classified(slot: Slot[Engine], comparisons: Comparisons | None = None) -> list[Item]:
    """Forty items, classified."""
    made = message(TEXTS, statement=True)
    Classifier(slot, comparisons).classify([made])
    return made.items


def pairs(comparisons: Comparisons) -> Counter[tuple[str, str]]:
    return Counter({(label, trial): n for (_, _, _, label, trial), n in comparisons.counts.items()})


def test_a_candidate_answers_its_share_under_its_own_name() -> None:
    active, trial = Fragile(), Trial()
    slot: Slot[Engine] = Slot(active, trial, 50, b"salt")
    for item, text in zip(classified(slot), TEXTS, strict=True):
        tried = choose(slot, item.record_id) is trial
        assert dict(item.values)["label"] == (text.upper() if tried else text).encode()
        assert item.model == (trial if tried else active).model.reference
    assert (active.calls, trial.calls) == (1, 1)


@pytest.mark.parametrize("trial", BROKEN)
def test_the_active_version_answers_for_a_candidate_that_fails(trial: Trial) -> None:
    items = classified(Slot(Fragile(), trial, 50, b"salt"))
    assert [dict(item.values)["label"].decode() for item in items] == TEXTS
    assert {item.model for item in items} == {Fragile.model.reference}


def test_a_shadow_is_compared_and_not_used() -> None:
    comparisons = Comparisons()
    items = classified(Slot(Fragile(), Trial()), comparisons)
    assert [dict(item.values)["label"].decode() for item in items] == TEXTS
    assert pairs(comparisons) == Counter({(text, text.upper()): 1 for text in TEXTS})


@pytest.mark.parametrize("trial", BROKEN)
def test_a_shadow_that_fails_is_counted_as_no_answer(trial: Trial) -> None:
    comparisons = Comparisons()
    items = classified(Slot(Fragile(), trial), comparisons)
    assert all(item.rejection is None for item in items)
    assert pairs(comparisons) == Counter({(text, ""): 1 for text in TEXTS})
