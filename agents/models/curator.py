"""Changes of the model registry: each is made together with its leaves, in one transaction, or not at all.

A model is the platform's, and its answers stand in the tenants' logs: every log gets the leaf, so that each says by
itself which models were in force at which of its places. A change waits for the commits under way and gives the
registry a new revision: what was decided by a former model is not committed any more (docs/decisions/0013, 0046).

What an audit makes of the leaves is agents.audit.models; what becomes of which version is agents.inference.standing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agents.inference import standing
from agents.inference.active_models import open_registered
from agents.inference.evaluation import (
    Evaluation,
    decode_evaluations,
    encode_evaluations,
    refuse_if_worse,
)
from agents.inference.model_store import ModelStore
from agents.inference.standing import ALL_RECORDS, Changed
from agents.inference.transaction_kind import MODEL_DIRECTORY, TRANSACTION_KIND
from agents.models.model_leaf import model_change
from agents.models.model_offer import read_offered
from agents.platform.identity import Identity
from agents.platform.signatory import Act, Signatory
from agents.platform.warrant import Warrant
from schemas.errors import ConfigurationError
from schemas.leaf import ModelChange
from schemas.tenant import PLATFORM_TENANT
from streams.storage.database import Database
from streams.storage.models import ComparisonRow, ModelRow, insert_model, list_comparisons, list_models, update_model
from streams.storage.sequencing import list_logs

MAX_LOSS: Final = 0.01
"""By how much a new version may score worse than the active one, unless the command says otherwise."""

MAX_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Trust:
    """Why a version may be activated.

    Attributes:
        max_loss: By how much it may score worse than the active one on the same data.
        unevaluated: Why it need not have been evaluated; stands in the logs in plain words, so it names no person.
    """

    max_loss: float = MAX_LOSS
    unevaluated: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no reason and no loss."""
        if not 0 <= self.max_loss <= 1:
            raise ConfigurationError("--max-loss is a difference of scores, from 0 to 1")
        reason = self.unevaluated
        if reason is not None and not (0 < len(reason.strip()) <= MAX_REASON and reason.isprintable()):
            raise ConfigurationError(f"--unevaluated needs a reason of at most {MAX_REASON} printable characters")


class Curator:
    """Changes the model registry, as one actor.

    Args:
        identity: Opens the logs and certifies the key that signs the leaves.
        store: Where models lie.
        actor: Who acts; goes into the logs as a pseudonym that only the platform can make.
        warrant: By whose signature, if it is signed.
        opens: Opens a registered model: what can't be opened here is not activated.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        store: ModelStore,
        *,
        actor: str | None = None,
        warrant: Warrant | None = None,
        opens: Callable[[ModelStore, ModelRow], object] = open_registered,
    ) -> None:
        self._database = database
        self._store = store
        self._opens = opens
        self._signatory = Signatory(database, identity, actor=actor, warrant=warrant)

    async def models(self) -> list[ModelRow]:
        """All registered versions, by name and in the order they were added."""
        async with self._database.session() as connection:
            return await list_models(connection)

    async def comparisons(self, name: str) -> list[ComparisonRow]:
        """What versions on trial said beside the active ones."""
        async with self._database.session() as connection:
            return await list_comparisons(connection, name)

    async def place(self, name: str, version: str) -> Path:
        """Where a registered version lies, once its manifest is the one that is registered.

        Raises:
            ConfigurationError: There is no such version, or it is not there.
        """
        return await asyncio.to_thread(self._store.find, standing.version_of(await self.models(), name, version))

    async def add(self, path: Path) -> ModelRow:
        """Copy a model directory into the store and register it as a candidate.

        The first time a model that is shipped gets another version, the shipped one is registered too, as active: so
        there is a version to go back to.

        Raises:
            ConfigurationError: It is no whole model, can't be opened here, or its name and version are registered.
        """
        offered = await asyncio.to_thread(read_offered, path)
        row = offered.row
        shipped = await asyncio.to_thread(read_offered, MODEL_DIRECTORY) if row.name == TRANSACTION_KIND else None
        if shipped is not None and shipped.row.version == row.version:
            raise ConfigurationError(f"{row.name}@{row.version} is the shipped model; a new one needs a new version")
        for each in (offered, shipped):
            if each is not None:
                await asyncio.to_thread(self._store.keep, each.directory, each.row.card)
        await asyncio.to_thread(self._opens, self._store, row)
        async with self._changing() as change:
            if shipped is not None and all(each.name != TRANSACTION_KIND for each in change.rows):
                await change.insert(replace(shipped.row, stage="active"), "activate")
            offered.check_kind(change.rows)
            await change.insert(row, "add")
        return row

    async def evaluated(self, name: str, version: str, evaluation: Evaluation) -> ModelRow:
        """Record how a version did on labelled data; it takes the place of an earlier evaluation on data of that name.

        Raises:
            ConfigurationError: There is no such version.
        """
        async with self._changing() as change:
            row = standing.version_of(change.rows, name, version)
            known = decode_evaluations(row.metrics)
            metrics = encode_evaluations({**known, evaluation.dataset: evaluation})
            made = replace(row, metrics=metrics)
            await change.update(Changed(made, "evaluate"))
        return made

    async def activate(
        self,
        name: str,
        version: str,
        *,
        share: int = ALL_RECORDS,
        shadow: bool = False,
        trust: Trust | None = None,
    ) -> list[Changed]:
        """Make a version the active one, or put it on trial for a share of the records, or beside the active one.

        Raises:
            ConfigurationError: It is worse than the active one, was not evaluated, or can't be opened here; or there is
                none, or nothing would change.
        """
        trust = trust or Trust()
        row = standing.version_of(await self.models(), name, version)
        await asyncio.to_thread(self._opens, self._store, row)
        async with self._changing() as change:
            changed = standing.activated(change.rows, name, version, share=share, shadow=shadow)
            if not shadow and trust.unevaluated is None:
                active = standing.active_version(change.rows, name)
                refuse_if_worse(
                    decode_evaluations(standing.version_of(change.rows, name, version).metrics),
                    None if active is None else decode_evaluations(active.metrics),
                    trust.max_loss,
                )
            for each in changed:
                await change.update(each, None if shadow else trust)
        return changed

    async def roll_back(self, name: str) -> list[Changed]:
        """Undo the last activation: end a trial, or else make the version active that was active before.

        Raises:
            ConfigurationError: There is nothing to go back to.
        """
        return await self._apply(lambda rows: standing.rolled_back(rows, name))

    async def retire(self, name: str, version: str) -> list[Changed]:
        """Take a version out of use; its files and its row stay, since results name it.

        Raises:
            ConfigurationError: There is no such version, it is retired, or it is needed.
        """
        return await self._apply(lambda rows: standing.retired(rows, name, version))

    async def _apply(self, decide: Callable[[Sequence[ModelRow]], list[Changed]]) -> list[Changed]:
        async with self._changing() as change:
            changed = decide(change.rows)
            for each in changed:
                await change.update(each)
        return changed

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator["_Change"]:
        async with self._database.session() as connection:
            tenants = sorted({PLATFORM_TENANT, *(each.tenant for each in await list_logs(connection))})
        # Before the transaction: it holds a lock that every commit needs, and the provider may take its time.
        await self._signatory.prepare(tenants)
        async with self._signatory.changing_keys() as act:
            yield _Change(act, tenants, await list_models(act.connection))


@dataclass(frozen=True, slots=True)
class _Change:
    """One change under way, with the registry as it stands in it.

    Attributes:
        tenants: Those whose logs say so.
    """

    act: Act
    tenants: Sequence[str]
    rows: list[ModelRow]

    async def insert(self, row: ModelRow, change: str) -> None:
        await insert_model(self.act.connection, row)
        self.rows.append(row)
        await self._say(model_change(row, change))

    async def update(self, changed: Changed, trust: Trust | None = None) -> None:
        await update_model(self.act.connection, changed.row)
        said = trust if trust is not None and changed.change == "activate" else None
        reason = said.unevaluated if said is not None else None
        loss = said.max_loss if said is not None and reason is None else None
        await self._say(model_change(changed.row, changed.change, loss=loss, reason=reason))

    async def _say(self, what: ModelChange) -> None:
        for tenant in self.tenants:
            await self.act.say(tenant, "model", model_change=what)
