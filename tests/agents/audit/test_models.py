"""What an audit makes of `model` leaves: which models were in force where, also across a recovery."""

from typing import Any

import pytest

from agents.audit.findings import LogReport, VerifyReport
from agents.audit.models import ModelsOfLog, RegisteredModels
from agents.inference.transaction_kind import SHIPPED
from agents.models.model_leaf import model_change
from schemas.leaf import LEAF_VERSION, Leaf
from schemas.tenant import PLATFORM_TENANT
from streams.storage.models import ModelRow

SHIPPED_ONE = min(SHIPPED)
ORIGIN = "some.org/logs/platform"


def row(version: str = "1", **standing: Any) -> ModelRow:
    return ModelRow(name="kinds", version=version, digest=version * 64, manifest=b"{}", **standing)


def change(what: str, found: ModelRow, **members: Any) -> Leaf:
    said = {"model_change": model_change(found, what), "actor": "a", "basis": "alone"} | members
    return Leaf(v=LEAF_VERSION, commit=1, kind="model", time="t", **said)


def result(version: str = "1", reference: str | None = None) -> Leaf:
    return Leaf(
        v=LEAF_VERSION, commit=1, kind="result", time="t", model=reference or f"kinds@{version} sha256:{version * 64}"
    )


def recover(first: int) -> Leaf:
    return Leaf(v=LEAF_VERSION, commit=1, kind="recover", time="t", first=f"{ORIGIN}#{first}", count=1)


def audited(leaves: list[Leaf], rows: list[ModelRow] = [], *, late: list[Leaf] | None = None) -> list[str]:  # noqa: B006
    """The findings of the platform's log with these leaves, and of one that began later."""
    report = VerifyReport()
    models = RegisteredModels(report, rows)
    if late is not None:
        _see(models.open_log(LogReport("some.org/logs/late", "late")), late, report)
    _see(models.open_log(LogReport(ORIGIN, PLATFORM_TENANT)), leaves, report)
    models.finish()
    # The rows' manifests are no manifests here: that is not what these tests are about.
    return [str(each) for each in report.findings if "holds no manifest" not in str(each)]


def _see(log: ModelsOfLog, leaves: list[Leaf], report: VerifyReport) -> None:
    for index, leaf in enumerate(leaves):
        log.see(f"index {index}", leaf, index)


ADDED, ACTIVE = change("add", row()), change("activate", row(stage="active"))


@pytest.mark.parametrize(
    ("leaves", "rows", "finding"),
    [
        pytest.param([ADDED, ACTIVE, result()], [row(stage="active")], None, id="in-force"),
        pytest.param([ADDED, change("activate", row(share=5)), result()], [row(share=5)], None, id="on-trial"),
        pytest.param([result(reference=SHIPPED_ONE)], [], None, id="shipped"),
        pytest.param([ADDED, result()], [row()], "not in force", id="a-candidate"),
        pytest.param([ADDED, change("activate", row(shadow=True)), result()], [row(shadow=True)], "force", id="shadow"),
        pytest.param([result()], [], "was ever in force", id="never-heard-of"),
        pytest.param([result(reference="kinds")], [], "is no model", id="no-reference"),
        pytest.param(
            [ADDED, ACTIVE, change("retire", row(stage="retired")), result()],
            [row(stage="retired")],
            "not in force",
            id="retired",
        ),
        pytest.param(
            [ADDED, ACTIVE, result(reference=f"kinds@1 sha256:{'2' * 64}")],
            [row(stage="active")],
            "not in force",
            id="another-digest",
        ),
        pytest.param(
            [ADDED, ACTIVE, result(reference=f"kinds@1 sha256:{'1' * 64} tags@1 sha256:{'3' * 64}")],
            [row(stage="active")],
            "tags@1",
            id="one-of-two",
        ),
        pytest.param([ACTIVE], [row(stage="active")], "no earlier leaf adds", id="never-added"),
        pytest.param(
            [ADDED, change("activate", row(stage="active", card="other"))],
            [row(stage="active", card="other")],
            "changes card too",
            id="a-card-in-passing",
        ),
        pytest.param(
            [ADDED, ACTIVE, change("add", row("2")), change("activate", row("2", stage="active"))],
            [row(stage="active"), row("2", stage="active")],
            "second version",
            id="two-active",
        ),
        pytest.param([change("add", row(), actor=None)], [], "who did it", id="nobody"),
        pytest.param([change("add", row(), model_change=None)], [], "what changed", id="nothing"),
    ],
)
def test_each_result_is_by_a_model_in_force(leaves: list[Leaf], rows: list[ModelRow], finding: str | None) -> None:
    found = audited(leaves, rows)
    if finding is None:
        assert found == []
    else:
        assert any(finding in each for each in found), found


def test_a_log_that_began_later_takes_what_was_in_force_from_the_platforms() -> None:
    rows = [row(stage="active")]
    assert audited([ADDED, ACTIVE], rows, late=[result()]) == []
    assert len(audited([ADDED, ACTIVE], rows, late=[result("2")])) == 1


def test_changes_whose_rows_were_lost_count_no_more_after_the_recovery() -> None:
    leaves = [ADDED, ACTIVE, change("add", row("2")), change("retire", row(stage="retired"))]
    leaves += [change("activate", row("2", stage="active", follows="1")), result("2")]
    assert audited([*leaves, recover(2), result()], [row(stage="active")]) == []
    assert any("not in force" in each for each in audited([*leaves, result()], [row(stage="active")]))
