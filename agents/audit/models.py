"""Follow the `model` leaves: which models were in force at each place of a log, and whether the stored rows say so too.

A result names the model that decided; it must have been in force there, as active version or with a share on trial. A
log that was opened later has no leaf about what did not change since: that was in force by the platform's own log.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from agents.audit.findings import LogReport, VerifyReport
from agents.inference.model_store import manifest_of
from agents.inference.transaction_kind import SHIPPED
from agents.models.model_leaf import model_change
from schemas.errors import ConfigurationError
from schemas.leaf import Leaf, ModelChange
from schemas.model_reference import ModelReference, read_references
from schemas.tenant import PLATFORM_TENANT
from streams.storage.models import ModelRow

Version = tuple[str, str]
"""Name and version."""

_OF_THE_CHANGE: Final = frozenset({"change", "loss", "reason"})
_MAY_CHANGE: Final = {"evaluate": frozenset({"metrics"})}
_STANDING: Final = frozenset({"stage", "share", "shadow", "follows"})


class RegisteredModels:
    """The stored models, to be compared with what the logs say.

    Args:
        rows: The registry as stored.
    """

    def __init__(self, report: VerifyReport, rows: Sequence[ModelRow]) -> None:
        self._report = report
        self._rows = {(row.name, row.version): row for row in rows}
        self._logs: list[ModelsOfLog] = []

    def open_log(self, log: LogReport) -> "ModelsOfLog":
        """The models as they stand before the log's first leaf."""
        found = ModelsOfLog(log, self._report)
        self._logs.append(found)
        return found

    def finish(self) -> None:
        """Compare every row with the last leaf about it, and every last leaf with its row."""
        platform = next((log for log in self._logs if log.tenant == PLATFORM_TENANT), None)
        ever = platform.ever if platform is not None else set()
        for log in self._logs:
            for reference, where in log.unsaid.items():
                if reference not in ever and reference not in SHIPPED:
                    self._report.add(where, f"no leaf says that the model {reference} was ever in force")
            for version, (where, leaf) in sorted(log.said.items()):
                self._compare(version, where, leaf)
        said = platform.said if platform is not None else {}
        for left in sorted(self._rows.keys() - said.keys()):
            self._report.add("model {}@{}".format(*left), "no leaf says that it was added")

    def _compare(self, version: Version, where: str, leaf: ModelChange) -> None:
        name = "model {}@{}".format(*version)
        row = self._rows.get(version)
        if row is None:
            self._report.add(name, f"{where} says that it is registered, and its row in models is gone")
            return
        if different := _different(model_change(row, leaf.change), leaf):
            self._report.add(name, f"{', '.join(different)} in its row: not what {where} says")
        try:
            manifest_of(row)
        except ConfigurationError as exc:
            self._report.add(name, str(exc))


class ModelsOfLog:
    """The models as one log says they stood: moves on with each leaf.

    Attributes:
        said: The last leaf about each version, and where it stands.
        unsaid: Models that answered and that no leaf before was about, with the first place.
        ever: Every model that was in force at some place.
    """

    def __init__(self, log: LogReport, report: VerifyReport) -> None:
        self.tenant = log.tenant
        self.said: dict[Version, tuple[str, ModelChange]] = {}
        self.unsaid: dict[str, str] = {}
        self.ever: set[str] = set()
        self._log = log
        self._report = report
        self._before: list[tuple[int | None, Version, tuple[str, ModelChange] | None]] = []
        self._good: set[str] = set()

    def see(self, where: str, leaf: Leaf, index: int | None = None) -> None:
        """Go on with a leaf.

        Args:
            where: Where it stands, for findings.
            index: Its place in the log; None while it has none.
        """
        if leaf.kind == "model":
            self._change(where, leaf, index)
        elif leaf.kind == "recover" and leaf.span is None and leaf.first is not None:
            self._recover(leaf.first)
        elif leaf.kind == "result" and leaf.model is not None and leaf.model not in self._good:
            self._answered(where, leaf.model)

    def _change(self, where: str, leaf: Leaf, index: int | None) -> None:
        what = leaf.model_change
        if what is None or leaf.actor is None or leaf.basis is None:
            self._report.add(where, "a change of the model registry does not say what changed, who did it, and why")
            return
        self._log.model_changes += 1
        self._good.clear()
        version = what.name, what.version
        before = self.said.get(version)
        if before is not None:
            different = set(_different(before[1], what)) - _MAY_CHANGE.get(what.change, _STANDING)
            if different:
                named = ", ".join(sorted(different))
                self._report.add(where, f"{what.change} of model {what.name}@{what.version} changes {named} too")
        elif self.tenant == PLATFORM_TENANT and what.change != "add" and _reference(what) not in SHIPPED:
            self._report.add(where, f"{what.change} of model {what.name}@{what.version}, which no earlier leaf adds")
        if what.stage == "active" and any(
            other.stage == "active" and other.name == what.name and other.version != what.version
            for _, other in self.said.values()
        ):
            self._report.add(where, f"a second version of model {what.name} is active")
        self._before.append((index, version, before))
        self.said[version] = where, what
        if _in_force(what):
            self.ever.add(_reference(what))

    def _answered(self, where: str, text: str) -> None:
        references = read_references(text)
        if not references:
            self._report.add(where, "what it names as its model is no model")
        for found in references:
            said = self.said.get((found.name, found.version))
            if said is None:
                self.unsaid.setdefault(str(found), where)
            elif said[1].digest != found.digest or not _in_force(said[1]):
                named = f"{found.name}@{found.version}"
                self._report.add(where, f"the model {named} that answered is not in force by {said[0]}")
                return
        self._good.add(text)

    def _recover(self, first: str) -> None:
        """Leaves were brought back and their rows were not: the models stand as before them."""
        start = self._log.place(first)
        if start is None:
            return  # a finding of the recovery's own check
        self._good.clear()
        while self._before and self._before[-1][0] is not None and self._before[-1][0] >= start:
            _, version, before = self._before.pop()
            if before is None:
                self.said.pop(version, None)
            else:
                self.said[version] = before


def _in_force(what: ModelChange) -> bool:
    return what.stage == "active" or what.share > 0


def _reference(what: ModelChange) -> str:
    return str(ModelReference(what.name, what.version, what.digest))


def _different(one: ModelChange, other: ModelChange) -> list[str]:
    """Members of the record that differ."""
    pairs = zip(
        msgspec.structs.fields(ModelChange), msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True
    )
    return [field.name for field, left, right in pairs if left != right and field.name not in _OF_THE_CHANGE]
