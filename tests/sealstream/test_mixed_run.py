"""The main job on a mixed feed: transactions at once, letters through a lane of models.

In this process, its intake, sequencer and relay forked: those that a user starts, `test_oneshot` has. What answers
letters it has not, so that is a new interpreter, which is told of the models by its environment.
"""

import json
from pathlib import Path

import pytest

from sealstream.oneshot import RunOptions, run_once
from sealstream.samples.feed import open_sample
from sealstream.settings import load_settings
from streams.embedded.process import ServerCommand, ServerProcess
from tests.support import text_family
from tests.support.forked_programs import forked
from tests.support.processes import ROOT

_start_anew, _fork = ServerProcess.start, forked()


async def start(command: ServerCommand) -> ServerProcess:
    return await (_start_anew if "infer" in command.arguments else _fork)(command)


async def test_a_mixed_feed_comes_out_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = text_family.write_models(tmp_path / "models")
    monkeypatch.setenv("SEALSTREAM_TEXT_MODELS", json.dumps([str(each) for each in models]))
    monkeypatch.setenv("PYTHONPATH", f"{text_family.SITE}:{ROOT}")
    monkeypatch.setattr(ServerProcess, "start", start)
    text_family.register()
    told: list[str] = []
    run = await run_once(load_settings(), RunOptions(feed="sample:mixed"), told.append)
    assert run.ok, told
    report = run.as_json()
    expected = open_sample("mixed").expectation
    assert report["ok"] is True
    assert report["differences"] == report["findings"] == []
    assert report["messages"] == expected.messages
    assert report["results"] == expected.results
    assert report["deferred"] == {"done": expected.documents, "failed": 0, "waiting": 0}
    outcomes = report["outcomes"]
    assert "stored" not in outcomes
    assert outcomes.get("classified", 0) + outcomes.get("review", 0) == expected.documents
