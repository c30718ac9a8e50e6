"""Models measured on labelled data."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.inference.engine import ModelIdentity
from agents.inference.model_directory import read_manifest
from agents.inference.text_model import PreparedText, TextAnswer
from agents.inference.transaction_kind import MODEL_DIRECTORY
from schemas.errors import ConfigurationError
from sealstream.evaluators import dataset_name, evaluator_for, spans, text_labels
from sealstream.evaluators.calibration import expected_calibration_error
from sealstream.evaluators.scoring import Answered, scored
from tests.support.models import other_version


class Echo:
    """Answers with the text's first word, sure of long texts only."""

    model = ModelIdentity("echo", "1", "00", ("a", "b"))

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        return [PreparedText(text, b"", max(1, len(text))) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        return [
            TextAnswer(each.text.split()[0], 0.9 if each.tokens > 3 else 0.4, abstained=each.tokens <= 3)
            for each in texts
        ]


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_labels, "open_text_model", lambda _: Echo())


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "some" / "test.csv"
    path.parent.mkdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_texts_are_answered_whatever_their_order_and_length(tmp_path: Path, echo: None) -> None:
    lines = [("a " + "x" * (n % 7), "a") for n in range(60)] + [("b, long text", "a"), ("b", "b")]
    data = written(tmp_path, "text,category\n" + "".join(f'"{text}",{label}\n' for text, label in lines))
    found = text_labels.evaluate(tmp_path, data, dataset_name(data))
    assert (found.dataset, found.items) == ("some/test", 62)
    assert found.score == pytest.approx(61 / 62)  # "b," is none of the labels
    assert found.coverage == pytest.approx(sum(len(text) > 3 for text, _ in lines) / 62)
    assert found.labels["a"].recall == pytest.approx(60 / 61)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("text,category\n", id="no-rows"),
        pytest.param("text,label\na,b\n", id="other-columns"),
        pytest.param("text,category\na\n", id="a-short-row"),
        pytest.param(b"text,category\n\xff,b\n", id="no-utf-8"),
        pytest.param("text,category\n" + "a" * 200_000 + ",b\n", id="a-huge-field"),
    ],
)
def test_what_is_no_labelled_text_is_refused(tmp_path: Path, echo: None, content: str | bytes) -> None:
    with pytest.raises(ConfigurationError):
        text_labels.evaluate(tmp_path, written(tmp_path, content), "data")


def test_the_form_of_the_data_follows_from_the_model_or_is_named(tmp_path: Path) -> None:
    manifest = read_manifest(MODEL_DIRECTORY)
    assert evaluator_for(manifest).__module__ == "sealstream.evaluators.coded_entries"
    assert evaluator_for(manifest, "labels") is text_labels.evaluate
    with pytest.raises(ConfigurationError, match="labels"):
        evaluator_for(manifest, "poems")
    extractor = read_manifest(other_version(tmp_path, name="tagger", modality="text", task="extract"))
    assert evaluator_for(extractor) is spans.evaluate


def test_confidence_that_holds_has_no_calibration_error() -> None:
    assert expected_calibration_error((0.8, n < 8) for n in range(10)) == pytest.approx(0)
    assert expected_calibration_error([(1.0, False)]) == 1
    assert expected_calibration_error([]) == 0


def test_no_answer_is_wrong() -> None:
    found = scored("data", "00", [Answered("a", None, 0.0, abstained=True), Answered("a", "a", 1.0)])
    assert (found.score, found.coverage, found.covered_score) == (0.5, 0.5, 1.0)
