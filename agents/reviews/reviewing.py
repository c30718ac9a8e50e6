"""Reviews: a person decides what a model left open. The result stays as it is; a `review` leaf supersedes it.

Label and reason are sealed beside each other under the record's own tenant and domain, and go with it when it is
erased. A later decision about the same record supersedes the one before and links to it.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from agents.commits.recording import LABEL_FIELD, data_key_row
from agents.platform.data_keys import HeldKeys, KeyMaker, KeyPlace
from agents.platform.identity import Identity
from agents.platform.knowledge import REASON_FIELD, Knowledge
from agents.platform.signatory import Act, Signatory
from agents.reviews.considering import Consider, Considered
from agents.reviews.review_leaf import REVIEW_KIND, REVIEW_OUTCOME, review_name
from schemas.errors import ConfigurationError, SealstreamError
from schemas.leaf import decode_leaf
from security.sealing import SealingPass
from streams.storage import reviews
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock
from streams.storage.reading import StoredResult
from streams.storage.registry import hold_registry

ModelLabels = Callable[[str], Sequence[str] | None]
"""The labels of a model by its name in leaves, `name@version sha256:digest`; None when it is not known here."""


class NotReviewable(SealstreamError):
    """A record can't be decided by a person: the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Review:
    """A decision that is committed.

    Attributes:
        number: Which decision about the record it is, from 1.
        supersedes: The review before it; None for the first one, which supersedes the model's result.
    """

    record_id: UUID
    name: UUID
    number: int
    supersedes: UUID | None


class Reviewer:
    """Decides records, as one actor.

    Args:
        knowledge: With the tier keys up to the highest tier that the reviewer may see.
        consider: Looks at a record as the same actor: what is decided on was looked at, and the look is a leaf.
        labels: Which labels a model has.
        keys: Make what seals the decision; those of `knowledge` by default.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        consider: Consider,
        *,
        labels: ModelLabels,
        actor: str | None = None,
        keys: KeyMaker | None = None,
    ) -> None:
        self._keys = HeldKeys(knowledge.tier_keys) if keys is None else keys
        self._database = database
        self._identity = identity
        self._knowledge = knowledge
        self._consider = consider
        self._labels = labels
        self._signatory = Signatory(database, identity, actor=actor)
        self._pass_ids = IdBlock(database, "pass_ids")

    async def decide(self, record_id: UUID, label: str, reason: str) -> Review:
        """Decide a record that its model left open, or decide it again.

        Args:
            label: One of the model's labels.
            reason: For whoever reads the record later, and the auditor; sealed beside the label.

        Raises:
            NotReviewable: There is no such record for this reviewer, its model did answer, its content is erased, or
                its label is not open to them.
            ConfigurationError: The label is not the model's, the model is not known here, or no reason is given.
            RegistryChanged: Keys changed meanwhile; nothing is stored, do it again.
        """
        if not reason.strip():
            raise ConfigurationError("a decision needs a reason; say it with --reason")
        considered = await self._consider(record_id)
        async with self._database.session() as connection:
            stored = await reviews.find_result(connection, record_id) if considered is not None else None
            if considered is None or stored is None:
                raise NotReviewable(
                    f"no record that you may read has the id {record_id}; see `sealstream reviews list`"
                )
            _refuse_closed(stored)
            if considered.label != "open":
                raise NotReviewable(f"the label of record {record_id} is {considered.label}; who decides must see it")
            await self._check_label(connection, stored, label)
        await self._signatory.prepare({stored.tenant})
        await self._pass_ids.refill(1)
        pass_id = self._pass_ids.take()
        tiers = {considered.label_tier, considered.reason_tier}
        wanted = [KeyPlace(pass_id, stored.tenant, stored.domain, tier) for tier in sorted(tiers)]
        sealing = SealingPass(pass_id, stored.tenant, await self._keys.data_keys(wanted))
        async with self._signatory.acting() as act:
            await hold_registry(act.connection, self._knowledge.revision)
            return await self._decide(act, record_id, considered, label, reason, sealing)

    async def _check_label(self, connection: Connection, stored: StoredResult, label: str) -> None:
        labels = await labels_for(connection, stored, self._labels)
        if labels is None:
            raise ConfigurationError(
                f"the model that left record {stored.record_id} open is not known here; register its directory"
            )
        if label not in labels:
            raise ConfigurationError(f"the model has no such label; it has {', '.join(labels)}")

    async def _decide(
        self, act: Act, record_id: UUID, considered: Considered, label: str, reason: str, sealing: SealingPass
    ) -> Review:
        stored = await reviews.lock_result(act.connection, record_id)
        if stored is None:
            raise NotReviewable(f"record {record_id} is gone; run `sealstream audit verify`")
        _refuse_closed(stored)
        before = await reviews.find_reviews(act.connection, [record_id])
        last = before[-1] if before else None
        number = last.n + 1 if last is not None else 1
        origin = self._identity.origin(stored.tenant)
        follows = review_name(origin, last.commit_id, last.leaf) if last is not None else None
        sealed = sealing.seal_fields(
            stored.domain,
            record_id.bytes,
            [
                (LABEL_FIELD, considered.label_tier, label.encode()),
                (REASON_FIELD, considered.reason_tier, reason.encode()),
            ],
        )
        log, ordinal = await act.say(
            stored.tenant,
            REVIEW_KIND,
            record=str(record_id),
            message=str(stored.message_id),
            linked=str(follows or record_id),
            count=number,
            label=base64.b64encode(sealed.commitments[LABEL_FIELD]).decode(),
            purpose=base64.b64encode(sealed.commitments[REASON_FIELD]).decode(),
            commitments=sealed.kind.in_leaf,
        )
        data_keys = sealing.data_keys()
        act.rows.data_keys += map(data_key_row, data_keys)
        act.rows.reviews.append(
            (
                log.log_id, act.batch.commit_id, ordinal, record_id, number, stored.tenant, stored.domain,
                data_keys[0].pass_id, sealed.blob,
            )
        )  # fmt: skip
        return Review(record_id, review_name(origin, act.batch.commit_id, ordinal), number, follows)


async def labels_for(connection: Connection, stored: StoredResult, labels: ModelLabels) -> Sequence[str] | None:
    """The labels of the model that answered for a record, by its leaf; None when that model is not known here."""
    body = await reviews.result_leaf(connection, stored)
    model = decode_leaf(body).model if body is not None else None
    return labels(model) if model is not None else None


def _refuse_closed(stored: StoredResult) -> None:
    if stored.outcome != REVIEW_OUTCOME:
        raise NotReviewable(f"record {stored.record_id} was not left to a person; its outcome is {stored.outcome}")
    if stored.sealed is None:
        raise NotReviewable(f"record {stored.record_id} is erased; nothing is left to decide")
