"""Dashboard, alerts and their document speak only of what a process exports, in a form that Prometheus reads."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.support.exported import exported, label_names

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/observability/alerts.yml"
DASHBOARD = ROOT / "deploy/observability/dashboard.json"
OPERATIONS = ROOT / "docs/operations.md"

# What Prometheus itself adds to a sample, and what `histogram_quantile` sums by.
ALWAYS = {"instance", "job", "le"}
DURATION = re.compile(r"([0-9]+(ms|s|m|h|d|w|y))+")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(ALERTS.read_text())
    assert document.keys() == {"groups"}
    found = []
    for group in document["groups"]:
        assert group.keys() <= {"name", "interval", "rules"}
        found += group["rules"]
    return found


def targets() -> Iterator[tuple[str, str]]:
    """Title and expression of everything that the dashboard draws; its variables replaced as Grafana would."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            assert "$" not in expression
            yield panel["title"], expression


EXPRESSIONS = [pytest.param(rule["expr"], id=rule["alert"]) for rule in rules()] + [
    pytest.param(expression, id=f"{title} {number}") for number, (title, expression) in enumerate(targets())
]


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Metric names of an expression with the labels it matches them by."""
    for name, matchers in re.findall(r"\b((?:sealstream|process|python)_[a-z_]+)\b(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_promql_over_metrics_and_labels_that_are_exported(expression: str) -> None:
    promql_parser.parse(expression)
    known = label_names()
    used = dict(selectors(expression))
    assert used, "an expression about nothing of ours"
    for name, labels in used.items():
        assert name in known, name
        assert labels <= known[name] | ALWAYS, (name, labels)
    grouped = {
        label.strip()
        for names in re.findall(r"\b(?:by|on|ignoring|group_left|without)\s*\(([^)]*)\)", expression)
        for label in names.split(",")
        if label.strip()
    }
    assert grouped <= set().union(*(known[name] for name in used)) | ALWAYS


def test_what_is_no_promql_is_noticed() -> None:
    with pytest.raises(ValueError):
        promql_parser.parse("sum by (le (rate(sealstream_ready[5m]))")


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"Sealstream[A-Z][A-Za-z]+", rule["alert"])
        assert DURATION.fullmatch(rule["for"])
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        for text in rule["annotations"].values():
            assert text.count("{{") == text.count("}}")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / page) == OPERATIONS
        headings = {heading.lower() for heading in re.findall(r"^#+ (.+)$", OPERATIONS.read_text(), re.MULTILINE)}
        assert anchor in headings


def test_alerts_pass_the_tool_of_prometheus() -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; the expressions are parsed by another parser above")
    done = subprocess.run([tool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_dashboard_has_the_form_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= dashboard.keys()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    places = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not places & cells, panel["title"]
        places |= cells


def families() -> dict[str, str]:
    """Our metrics' names, as Prometheus shows a family, with their help texts."""
    return {
        family.name + ("_total" if family.type == "counter" else "_info" if family.type == "info" else ""):
            family.documentation
        for family in exported().collect()
        if family.name.startswith("sealstream")
    }  # fmt: skip


def test_the_document_lists_every_metric_and_no_other() -> None:
    listed = re.findall(r"^\| `(sealstream_[a-z_]+)", OPERATIONS.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(families())
    assert all(families().values())


def test_the_dashboard_draws_every_metric() -> None:
    drawn = {name for _, expression in targets() for name, _ in selectors(expression)}
    missing = {
        name
        for name in families()
        if not any(found.removesuffix("_bucket").removesuffix("_sum") == name for found in drawn)
    }
    assert missing == set()
