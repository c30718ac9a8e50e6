"""What models say: what is believed of it, and one result of several answers."""

import math

import msgspec
import pytest

from agents.inference.text_model import DeviceFailed, Extracted, PreparedText, TextAnswer
from agents.lanes.answers import CLASSIFIED, EXTRACTED, REVIEW, Answered, check_answers, merge
from tests.support.lanes import IBANS, LETTERS

TEXT = "account 12 of 王伟"
PREPARED = [PreparedText(TEXT, b"", 4)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([], id="none"),
        pytest.param([TextAnswer("other", 0.5)] * 2, id="too-many"),
        pytest.param([TextAnswer("other", math.nan)], id="nan"),
        pytest.param([TextAnswer("other", 1.5)], id="no-probability"),
        pytest.param([TextAnswer("unheard of", 0.5)], id="no-label-of-the-model"),
        pytest.param([TextAnswer("other")], id="label-without-confidence"),
        pytest.param([TextAnswer(None, 0.5)], id="confidence-without-label"),
        pytest.param([TextAnswer(extracted=(Extracted("N", 14, 99, 0.5),))], id="beyond-the-text"),
        pytest.param([TextAnswer(extracted=(Extracted("N", 3, 3, 0.5),))], id="empty-span"),
        pytest.param([TextAnswer(extracted=(Extracted("N", 0, 3, math.inf),))], id="infinite-confidence"),
    ],
)
def test_an_answer_that_can_t_be_is_the_device_s_fault(answers: list[TextAnswer]) -> None:
    with pytest.raises(DeviceFailed):
        check_answers(answers, PREPARED, LETTERS.model)


def answered(label: str | None, confidence: float | None, *, abstained: bool = False) -> Answered:
    return Answered(LETTERS.model, TextAnswer(label, confidence, abstained), '{"a":1}')


def test_the_surest_model_that_does_not_abstain_gives_the_label() -> None:
    merged = merge(TEXT, [answered("other", 0.9, abstained=True), answered("enquiry", 0.6), answered("complaint", 0.7)])
    assert merged.outcome == CLASSIFIED
    assert merged.values == [("confidence", b"0.7000"), ("label", b"complaint")]
    assert merged.decision == '[{"a":1},{"a":1},{"a":1}]'


def test_an_abstaining_model_alone_asks_for_review() -> None:
    assert merge(TEXT, [answered("other", 0.3, abstained=True)]).outcome == REVIEW


def test_found_values_carry_their_places_in_code_points() -> None:
    found = TextAnswer(extracted=(Extracted("PERSON", 14, 16, 0.91), Extracted("NUMBER", 8, 10, 0.5)))
    merged = merge(TEXT, [Answered(IBANS.model, found, '{"b":2}')])
    assert (merged.outcome, merged.decision) == (EXTRACTED, '{"b":2}')
    ((name, value),) = merged.values
    assert name == "entities"
    assert msgspec.json.decode(value) == [
        {"confidence": "0.5000", "end": 10, "kind": "NUMBER", "start": 8, "value": "12"},
        {"confidence": "0.9100", "end": 16, "kind": "PERSON", "start": 14, "value": "王伟"},
    ]
