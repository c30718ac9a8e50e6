"""The models in force, opened: renewed as a whole when the registry changes, or not at all.

A worker that can't open what is in force does not die and does not go on by its own choice: it keeps the models it has,
says so in the health, and what it decides by them can't be committed, because the registry's revision is another. A
candidate that can't be opened is left out: its records go to the active version.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, Protocol, TypeVar

import structlog

from agents.inference.engine import Engine, ModelIdentity
from agents.inference.families import CPU, open_text_model
from agents.inference.model_store import ModelStore, manifest_of
from agents.inference.slots import Slot, slots_in_force
from agents.inference.text_model import TextModel
from schemas.errors import ConfigurationError, Unavailable
from streams.health import Health
from streams.outages import describe
from streams.storage.models import ModelRow

log = structlog.get_logger(__name__)

MODELS: Final = "models"
"""Name of the part in the health."""


class Opened(Protocol):
    """What every model that is open can say."""

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        ...


M = TypeVar("M", bound=Opened)


class ModelUnavailable(Unavailable):
    """A model that is in force can't be opened here; it is once it is restored, or another version is activated."""

    def __init__(self, row: ModelRow, why: str) -> None:
        super().__init__(
            f"model {row.name}@{row.version} can't be opened here: {why}; restore it in the model store, or "
            f"`sealstream models rollback {row.name}`"
        )


class ActiveModels(Generic[M]):
    """Opened models of one modality.

    Args:
        store: Where they lie; None where none is configured.
        open_one: Opens the model in a directory.
        health: Told of what can't be opened.
        shipped: What is in force under its name as long as the registry has no version of it.
    """

    def __init__(
        self,
        store: ModelStore | None,
        modality: str,
        open_one: Callable[[ModelStore, ModelRow], M],
        health: Health,
        shipped: Iterable[M] = (),
    ) -> None:
        self._store = store
        self._modality = modality
        self._open_one = open_one
        self._health = health
        self._shipped = {each.model.digest: each for each in shipped}
        self._opened: dict[str, M] = {}
        self._slots: Mapping[str, Slot[M]] = {each.model.name: Slot(each) for each in self._shipped.values()}

    @property
    def slots(self) -> Mapping[str, Slot[M]]:
        """The models by name, as of the last `use` that succeeded."""
        return self._slots

    async def renew(self, rows: Iterable[ModelRow]) -> Mapping[str, Slot[M]]:
        """As `use`, in a thread: opening a model takes its time."""
        return await asyncio.to_thread(self.use, list(rows))

    def use(self, rows: Iterable[ModelRow]) -> Mapping[str, Slot[M]]:
        """Have what is in force, by these rows of the registry, and nothing else.

        Raises:
            ModelUnavailable: An active version can't be opened; `slots` is what it was.
        """
        opened: dict[str, M] = {}
        left_out: list[str] = []
        slots = {each.model.name: Slot(each) for each in self._shipped.values()}
        try:
            for name, slot in slots_in_force(list(rows)).items():
                if self._is_ours(slot.active):
                    slots[name] = self._slot(slot, opened, left_out)
        except ModelUnavailable as exc:
            log.error("model.unavailable", why=str(exc))
            self._health.waiting(MODELS, str(exc))
            raise
        self._opened, self._slots = opened, slots
        if left_out:
            log.error("model.trial_left_out", why=left_out)
            self._health.degraded(MODELS, "; ".join(left_out))
        else:
            self._health.working(MODELS)
        return slots

    def _is_ours(self, row: ModelRow) -> bool:
        try:
            return manifest_of(row).modality == self._modality
        except ConfigurationError as exc:
            raise ModelUnavailable(row, str(exc)) from exc

    def _slot(self, slot: Slot[ModelRow], opened: dict[str, M], left_out: list[str]) -> Slot[M]:
        active = opened[slot.active.digest] = self._open(slot.active)
        if slot.trial is None:
            return Slot(active)
        try:
            trial = opened[slot.trial.digest] = self._open(slot.trial)
        except ModelUnavailable as exc:
            left_out.append(f"on trial, and left out until it is activated again: {exc}")
            return Slot(active)
        return Slot(active, trial, slot.share, slot.salt)

    def _open(self, row: ModelRow) -> M:
        known = self._opened.get(row.digest) or self._shipped.get(row.digest)
        if known is not None:
            return known
        if self._store is None:
            raise ModelUnavailable(row, "no model store is configured (SEALSTREAM_MODEL_STORE)")
        try:
            found = self._open_one(self._store, row)
        # A file that somebody damaged, or made: libraries raise whatever they like on such.
        except Exception as exc:
            raise ModelUnavailable(row, describe(exc)) from exc
        if found.model.digest != row.digest:
            raise ModelUnavailable(row, "its files were exchanged while they were read")
        return found


def open_text(store: ModelStore, row: ModelRow, provider: str = CPU) -> TextModel:
    """Open a registered text model.

    Raises:
        ConfigurationError: It is not there, or not what the registry names, or what it needs is missing.
    """
    return open_text_model(store.find(row), provider)


def open_engine(store: ModelStore, row: ModelRow) -> Engine:
    """Open a registered model of transactions. Imports ONNX Runtime.

    Raises:
        ConfigurationError: It is not there, or not what the registry names.
    """
    from agents.inference.onnx_engine import OnnxEngine

    return OnnxEngine(store.find(row))


def open_registered(store: ModelStore, row: ModelRow) -> Opened:
    """Open a registered model of any modality.

    Raises:
        ConfigurationError: It can't be opened here.
    """
    return open_text(store, row) if manifest_of(row).modality == "text" else open_engine(store, row)


def active_text_models(store: ModelStore | None, health: Health) -> ActiveModels[TextModel]:
    """The text models in force."""
    return ActiveModels(store, "text", open_text, health)


def active_engines(store: ModelStore | None, health: Health, shipped: Engine) -> ActiveModels[Engine]:
    """What decides the kind of transactions, within the worker: the shipped model, until the registry has one."""
    return ActiveModels(store, "transaction", open_engine, health, [shipped])
