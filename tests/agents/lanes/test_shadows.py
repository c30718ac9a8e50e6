"""Shadows of text models: candidates that answer beside the active version, and what is counted of it."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agents.inference.active_models import active_text_models
from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.text_model import DeviceFailed, Extracted, PreparedText, TextAnswer, TextModel
from agents.lanes.infer_setup import InferParts, open_models
from agents.lanes.shadowing import NOT_FOUND, label_pairs
from agents.models.curator import Trust
from agents.models.trial_report import TrialReport, trial_reports
from streams.health import Health
from tests.support.documents import document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import PATIENCE, LanePlatform, Scripted, lane_platform
from tests.support.messages import Inbox
from tests.support.text_family import register, write_models

COUNT = 12


class Contrary:
    """A candidate that calls everything a complaint, or does worse."""

    def __init__(self, model: ModelIdentity, error: Exception | None = None) -> None:
        self._model = model
        self._error = error
        self.asked = 0

    @property
    def model(self) -> ModelIdentity:
        return self._model

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        return [PreparedText(text, b"", 3) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        self.asked += 1
        if self._error is not None:
            raise self._error
        return [TextAnswer("complaint", 0.9) for _ in texts]


@pytest.fixture
async def lanes(platform: Installation, tmp_path: Path) -> LanePlatform:
    """Documents wait, and version 2 of the letters' model is a shadow of version 1."""
    made = await lane_platform(platform)
    register()
    curator = platform.curator()
    await curator.add(write_models(tmp_path, version="2")[0])
    await curator.activate("letters", "2", shadow=True, trust=Trust(unevaluated="made for tests"))
    await made.intake.parts.reload()
    inbox = Inbox("documents")
    BANK_A.put(inbox, *(document(f"d{number}", f"I ask for number {number}") for number in range(COUNT)))
    assert await made.intake.commit(inbox.take())
    await made.publish()
    return made


async def opened(lanes: LanePlatform, trial: type[Contrary], error: Exception | None = None) -> dict[str, TextModel]:
    health, store = Health(), lanes.platform.store
    models = await open_models(lanes.platform.database, active_text_models(store, health), lambda: None)
    return {**models, "letters@2": trial(models["letters@2"].model, error)}


async def worked_off(lanes: LanePlatform, models: Mapping[str, TextModel], *devices: Scripted) -> TrialReport:
    """Have everything answered, and see that the shadow's answers are nobody's."""
    worker, parts = await lanes.infer(*devices, models=models)
    async with lanes.at_work(worker):
        assert await lanes.until_ended() == {"done": COUNT}
        async with asyncio.timeout(PATIENCE):
            # The counts are a plain record.
            while sum(parts.comparisons.counts.values()) < COUNT and not is_stopped(parts, models):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await parts.comparisons.store(lanes.platform.database)
    await lanes.platform.sequence()
    report = await lanes.platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    results = [leaf for leaf in await lanes.platform.leaves("bank-a") if leaf["kind"] == "result"]
    assert len(results) == COUNT
    assert all("letters@1" in leaf["model"] and "letters@2" not in leaf["model"] for leaf in results)
    (found,) = trial_reports(await lanes.platform.curator().comparisons("letters"))
    return found


def is_stopped(parts: InferParts, models: Mapping[str, TextModel]) -> bool:
    trial = models["letters@2"]
    assert isinstance(trial, Contrary)
    return isinstance(trial._error, DeviceFailed) and bool(parts.comparisons.counts)


async def test_a_shadow_answers_beside_the_active_version_and_is_compared(lanes: LanePlatform) -> None:
    models = await opened(lanes, Contrary)
    found = await worked_off(lanes, models, Scripted("d0", models=models))
    assert (found.active, found.trial, found.records) == ("1", "2", COUNT)
    assert (found.disagreed, found.unanswered) == (COUNT, 0)
    assert [(row.label, row.trial_label) for row in found.pairs] == [("enquiry", "complaint")]


async def test_a_shadow_that_cannot_answer_costs_no_record_and_no_device(lanes: LanePlatform) -> None:
    models = await opened(lanes, Contrary, InferenceFailed("no"))
    device = Scripted("d0", models=models)
    found = await worked_off(lanes, models, device)
    assert found.unanswered == COUNT


async def test_a_shadow_that_a_device_dies_on_is_asked_once(lanes: LanePlatform) -> None:
    models = await opened(lanes, Contrary, DeviceFailed("gone"))
    found = await worked_off(lanes, models, Scripted("d0", models=models), Scripted("d1", models=models))
    assert found.unanswered == found.records > 0
    trial = models["letters@2"]
    assert isinstance(trial, Contrary)
    assert trial.asked <= 2  # one on each device, when both were given some before either failed


def test_an_extractors_values_are_compared_one_by_one() -> None:
    both, ours, its = (Extracted(kind, start, start + 3, 0.9) for kind, start in (("A", 0), ("B", 4), ("C", 8)))
    other = Extracted("D", 0, 3, 0.9)
    pairs = label_pairs(TextAnswer(extracted=(both, ours)), TextAnswer(extracted=(other, its)))
    assert pairs == [("A", "D"), ("B", NOT_FOUND), (NOT_FOUND, "C")]
    assert label_pairs(TextAnswer(), TextAnswer()) == [(NOT_FOUND, NOT_FOUND)]
    assert label_pairs(TextAnswer(), None) == [(NOT_FOUND, "")]
    assert label_pairs(TextAnswer("x", 0.5, abstained=True), None) == [("x", "")]
