"""The main job on a mixed feed, as a user starts it: transactions at once, letters through a lane."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sealstream.samples.feed import open_sample
from tests.support.processes import ROOT, WatchedCommand
from tests.support.text_family import SITE, write_models


@pytest.mark.parametrize("active", [pytest.param(False, id="without-models"), pytest.param(True, id="with-models")])
def test_a_mixed_feed_comes_out_whole(tmp_path: Path, active: bool) -> None:
    directories: Sequence[Path] = write_models(tmp_path / "models") if active else ()
    settings = {
        "SEALSTREAM_TEXT_MODELS": json.dumps([str(each) for each in directories]),
        "PYTHONPATH": f"{SITE}:{ROOT}",
    }
    with WatchedCommand(["run", "--feed", "sample:mixed", "--json"], settings, tmp_path) as command:
        code = command.wait()
        assert code == 0, command.talk
        report = json.loads(command.output)
    expected = open_sample("mixed").expectation
    assert report["ok"] is True
    assert report["differences"] == report["findings"] == []
    assert report["messages"] == expected.messages
    assert report["results"] == expected.results
    assert report["deferred"] == {"done": expected.documents * active, "failed": 0, "waiting": 0}
    outcomes = report["outcomes"]
    assert outcomes.get("stored", 0) == expected.documents * (not active)
    assert outcomes.get("classified", 0) + outcomes.get("review", 0) == expected.documents * active
