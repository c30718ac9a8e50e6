"""The main job on a mixed feed, as a user starts it: transactions at once, letters through a lane of models."""

import json
from pathlib import Path

from sealstream.samples.feed import open_sample
from tests.support.processes import ROOT, WatchedCommand
from tests.support.text_family import SITE, write_models


def test_a_mixed_feed_comes_out_whole(tmp_path: Path) -> None:
    settings = {
        "SEALSTREAM_TEXT_MODELS": json.dumps([str(each) for each in write_models(tmp_path / "models")]),
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
    assert report["deferred"] == {"done": expected.documents, "failed": 0, "waiting": 0}
    outcomes = report["outcomes"]
    assert "stored" not in outcomes
    assert outcomes.get("classified", 0) + outcomes.get("review", 0) == expected.documents
