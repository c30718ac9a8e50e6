"""The sealing stage: every field, and every message's own bytes, under the key of its owner and tier."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from agents.commits.outcomes import Item, MessageOutcome, refuse_item
from agents.intake.door import digests
from schemas.catalogue import TRANSACTION, Catalogue, FieldSpec
from schemas.errors import Rejection
from security.blind_terms import BlindIndex
from security.data_key import WrappedDataKey
from security.sealing import SealingPass
from security.tier_keys import TierKeys
from streams.storage.ids import IdBlock

REJECTED_EVIDENCE_TIER: Final = 4
SALT_BYTES: Final = 16

_Pass = tuple[int, SealingPass]
"""A pass with its number."""


class SealingStage:
    """Seals messages. Needs a pass number at hand for each tenant of those that are sealed together.

    Args:
        tier_keys: Opened tier keys of every scope this process seals under.
        pass_ids: Numbers for sealing passes.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        tier_keys: TierKeys,
        blind: BlindIndex,
        pass_ids: IdBlock,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._catalogue = catalogue
        self._tier_keys = tier_keys
        self._blind = blind
        self._pass_ids = pass_ids
        self._random = random
        self._plans: dict[tuple[str, str], _Plan] = {}

    def begin(self) -> "SealingPasses":
        """Passes for messages that are sealed a portion at a time."""
        return SealingPasses(self._new_pass, self._seal_message, self._random)

    def seal(self, messages: Sequence[MessageOutcome]) -> list[WrappedDataKey]:
        """Seal messages in place; returns the data keys to store beside them."""
        passes = self.begin()
        passes.seal(messages)
        return passes.data_keys()

    def refuse(
        self, messages: Sequence[MessageOutcome], names: Sequence[bytes], rejection: Rejection
    ) -> tuple[list[MessageOutcome], list[WrappedDataKey]]:
        """Make rejected outcomes of messages already sealed, under other names and, in one new pass, new keys."""
        refused = [
            MessageOutcome(each.owner, each.place, name, each.evidence, event=each.event, rejection=rejection)
            for each, name in zip(messages, names, strict=True)
        ]
        return refused, self.seal(refused)

    def _new_pass(self, tenant: str) -> _Pass:
        number = self._pass_ids.take()
        return number, SealingPass(number, tenant, self._tier_keys, self._random)

    def _seal_message(self, message: MessageOutcome, sealing: SealingPass, salt: bytes) -> None:
        self._seal_items(message, sealing)
        self._seal_evidence(message, sealing, salt)

    def _seal_items(self, message: MessageOutcome, sealing: SealingPass) -> None:
        """Seal the items; a record with a field that the catalogue doesn't know is refused, never kept unsealed."""
        for item in message.items:
            if item.rejection is not None:
                continue
            try:
                self._seal_item(message, item, sealing)
            except Rejection as rejection:
                refuse_item(message, item, rejection)

    def _seal_item(self, message: MessageOutcome, item: Item, sealing: SealingPass) -> None:
        tenant = message.owner.log.tenant
        plan = self._plans.get((tenant, item.catalogue_type)) or self._plan(tenant, item.catalogue_type)
        tiers = plan.tiers
        fields = [(name, tiers[name], value) for name, value in item.values]
        values = dict(item.values)
        for name, search in plan.searched:
            value = values.get(name)
            if value is not None:
                text = value.decode() if item.transaction is not None else json_text(value)
                term = self._blind.term(tenant, name, search, text)
                if term is not None:
                    item.terms.append((name, term))
        item.sealed = sealing.seal_fields(message.owner.domain, item.record_id, fields)
        item.values = []

    def _plan(self, tenant: str, catalogue_type: str) -> "_Plan":
        plan = self._plans[tenant, catalogue_type] = _Plan(self._catalogue.fields(tenant, catalogue_type))
        return plan

    def _seal_evidence(self, message: MessageOutcome, sealing: SealingPass, salt: bytes) -> None:
        if message.event is not None:
            message.digest = sealing.commitments.commit(salt, digests(message.event))
        if message.rejection is not None or message.event is None:
            tier = REJECTED_EVIDENCE_TIER
        else:
            kind = message.items[0].catalogue_type if message.items else message.event.event.type
            tier = self._catalogue.evidence_tier(message.owner.log.tenant, kind)
        message.sealed_evidence = sealing.seal_evidence(
            message.owner.domain, message.message_id, tier, salt + message.evidence
        )


class SealingPasses:
    """The passes of one turn, one for each tenant. Made by `SealingStage.begin`; each message is sealed once."""

    def __init__(
        self,
        new_pass: Callable[[str], _Pass],
        seal_message: Callable[[MessageOutcome, SealingPass, bytes], None],
        random: Callable[[int], bytes],
    ) -> None:
        self._new_pass = new_pass
        self._seal_message = seal_message
        self._random = random
        self._passes: dict[str, _Pass] = {}

    def seal(self, messages: Sequence[MessageOutcome]) -> None:
        """Seal messages in place. Needs a pass number at hand for each tenant that none was sealed of before."""
        salts = self._random(SALT_BYTES * len(messages))
        for n, message in enumerate(messages):
            tenant = message.owner.log.tenant
            if tenant not in self._passes:
                self._passes[tenant] = self._new_pass(tenant)
            message.pass_id, sealing = self._passes[tenant]
            message.commitments = sealing.commitments
            self._seal_message(message, sealing, salts[n * SALT_BYTES : (n + 1) * SALT_BYTES])

    def data_keys(self) -> list[WrappedDataKey]:
        """The data keys made so far, to be stored beside the messages."""
        return [key for _, sealing in self._passes.values() for key in sealing.data_keys()]


class _Tiers(dict[str, int]):
    """Tiers by field; a field that the catalogue doesn't name is rejected."""

    def __init__(self, specs: Mapping[str, FieldSpec]) -> None:
        super().__init__((name, spec.tier) for name, spec in specs.items())
        self._specs = specs

    def __missing__(self, name: str) -> int:
        return self._specs[name].tier


class _Plan:
    """What the catalogue says about one type's fields, looked up once for the life of the stage.

    Attributes:
        tiers: By field.
        searched: The searchable fields, sorted, and how each is searched.
    """

    __slots__ = ("searched", "tiers")

    def __init__(self, specs: Mapping[str, FieldSpec]) -> None:
        self.tiers = _Tiers(specs)
        self.searched = [(name, spec.search) for name, spec in sorted(specs.items()) if spec.search is not None]


def searched_text(value: bytes, record_type: str) -> str | None:
    """What a stored field's value is searched by, for a record of a type; None where it can't be read."""
    try:
        return value.decode() if record_type == TRANSACTION else json_text(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def json_text(value: bytes) -> str:
    """What a registered record's member says: a string without its quotes, anything else as it was written."""
    return msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
