"""What the tagger's confidence is calibrated on: templates apart, each as the root of its finds."""

from collections.abc import Sequence

import pytest

pytest.importorskip("torch", reason="needs the extra `torch` (4.5 GB)")
pytest.importorskip("faker", reason="needs the extra `train`")

from agents.inference.engine import ModelIdentity
from agents.inference.extraction_scores import Label, LabelledText
from agents.inference.padding import Padding
from agents.inference.text_model import Extracted, PreparedText, TextAnswer
from sealstream.training.tagger import calibrated, split


class Sure:
    """Finds a person in the first three characters of each text, as sure as the last digit says."""

    model = ModelIdentity("sure", "1", "", ("PERSON",))
    padding = Padding()

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        return [PreparedText(text, b"", 1) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        return [TextAnswer(extracted=(Extracted("PERSON", 0, 3, int(each.text[-1]) / 10),)) for each in texts]


def text(group: str, sure: int, *, right: bool) -> LabelledText:
    return LabelledText(f"Ann {sure}", (Label("PERSON", 0, 3),) if right else (), group)


def test_a_template_is_in_one_part_whatever_the_order_and_the_quarters_are_all_of_them() -> None:
    texts = [text(str(at % 40), 5, right=True) for at in range(120)]
    quarters = [split(texts, quarter) for quarter in range(4)]
    assert sum(len(out) for _, out in quarters) == len(texts)
    for kept, out in quarters:
        assert len(kept) + len(out) == len(texts)
        assert out
        assert not {each.group for each in kept} & {each.group for each in out}


def test_a_sure_find_stays_surer_and_many_finds_of_one_template_do_not_decide_alone() -> None:
    few = [text(str(at), sure, right=sure > 4) for at in range(20) for sure in (2, 3, 5, 8, 9)]
    wrong = [text("wrong", sure, right=False) for sure in (8, 9) for _ in range(50)]
    map_of = calibrated(Sure(), [*few, *wrong])
    assert map_of(0.9) > map_of(0.3)
    apart = [LabelledText(each.text, each.labels, str(at)) for at, each in enumerate([*few, *wrong])]
    assert map_of(0.9) > calibrated(Sure(), apart)(0.9) + 0.1
