"""Making receipts: a record's leaf with its proof, and what its reader may hand on. The look is logged before."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec

from agents.access.look_log import LookKind
from agents.intake.door import Evidence
from agents.intake.sealing_stage import SALT_BYTES
from agents.log.tile_cache import TileCache
from agents.log.tree import HeldOutside, SignedTree
from agents.opening.reading import Disclosure
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from schemas.errors import SealstreamError, VerificationFailed
from schemas.leaf import Leaf
from schemas.reasons import Reason
from schemas.receipt import AcceptedLeaf, DisclosedField, ProducerMessage, Receipt, ShardOpening
from security.disclosed_field import EVIDENCE_FIELD
from security.jwk import Jwk
from security.key_registry import KeyRegistry
from security.opening import OpenedField
from security.proof import NoSuchProofError
from security.receipt import AcceptedOtherwise, TrustedLog, read_leaf, shard_before, verify_receipt
from streams.storage.database import Connection, Database
from streams.storage.log_tree import index_of
from streams.storage.sequencing import LogRow
from streams.storage.shards import shard_at

_NOT_YET: Final = "no checkpoint of the log reaches the record's leaf yet; ask again in a second"


class NotDisclosed(SealstreamError):
    """A receipt was asked for that the reader may not have, or that can't be made of what is stored."""


class Discloser(Protocol):
    """Hands on what somebody may have, once that look is logged: at a tier, or by their right."""

    async def disclose_all(self, names: Sequence[UUID], *, evidence: bool, kind: LookKind) -> Mapping[UUID, Disclosure]:
        """What there is for them of these names, by name."""
        ...


class ReceiptMaker:
    """Makes receipts for one reader.

    Args:
        knowledge: The reader's; it also has the producers' public keys.
        cache: Of tiles, where others prove things too.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        reader: Discloser,
        cache: TileCache | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._knowledge = knowledge
        self._reader = reader
        self._cache = cache or TileCache()

    async def make(self, name: UUID, *, fields: Sequence[str] | None = None, evidence: bool = False) -> Receipt:
        """The receipt of a record, or of a message that holds several.

        Args:
            fields: What is disclosed; None for all that the reader's tier opens.
            evidence: Whether the message as received goes along.

        Raises:
            NotDisclosed: There is no such record, or a field or the message is above the tier, erased or not there.
            NoSuchProofError: No checkpoint reaches the leaf yet.
            DamagedLog: Tiles are missing.
            VerificationFailed: What is stored is not what the log says of it.
        """
        disclosure = (await self._reader.disclose_all([name], evidence=evidence, kind="read")).get(name)
        if disclosure is None:
            raise NotDisclosed(f"no record or message has the id {name}")
        opened = chosen_fields(disclosure.fields, fields)
        async with self._database.session() as connection:
            row, proved = await self._proved(connection, disclosure, evidence=evidence)
        leaf = read_leaf((proved.accepted or proved).leaf.encode())
        message = producer_message(disclosure, leaf, self._knowledge.registry) if evidence else None
        receipt = msgspec.structs.replace(proved, fields=opened, message=message)
        key = await asyncio.to_thread(self._identity.verifier_of, row)
        try:
            verify_receipt(receipt, TrustedLog(keys=[key], origin=row.origin))
        except VerificationFailed as exc:
            raise VerificationFailed(
                f"what is stored of {name} is not what its log says ({exc}); run `sealstream audit verify`"
            ) from exc
        return receipt

    async def _proved(
        self, connection: Connection, disclosure: Disclosure, *, evidence: bool
    ) -> tuple[LogRow, Receipt]:
        stored = disclosure.stored
        place = await index_of(connection, stored.log_id, stored.commit_id, stored.leaf)
        if place is None:
            raise NoSuchProofError(_NOT_YET)
        row = await shard_at(connection, stored.log_id, place)
        index = place - row.start
        tree = await SignedTree.newest(connection, row, self._cache)
        if index >= tree.checkpoint.size:
            raise NoSuchProofError(_NOT_YET)
        leaf = await _text(tree, index)
        (proof,) = await tree.inclusion([index])
        accepted = await accepted_leaf(connection, tree, disclosure) if evidence else None
        return row, Receipt(
            origin=row.origin,
            index=index,
            leaf=leaf,
            path=proof.path,
            checkpoint=proof.checkpoint.decode(),
            fields={},
            accepted=accepted,
        )


async def accepted_leaf(connection: Connection, tree: SignedTree, disclosure: Disclosure) -> AcceptedLeaf | None:
    """The leaf that accepted a record for later, which has its producer's signer; None for one that was never deferred.

    Raises:
        NoSuchProofError: It has no place in the log, though what came after has.
        NotDisclosed: It stands in an earlier shard that is held outside, or of which a part was lost.
    """
    if disclosure.accepted is None:
        return None
    place = await index_of(connection, tree.row.log_id, *disclosure.accepted)
    if place is None:
        raise NoSuchProofError("the leaf that accepted the record has no place; run `sealstream audit verify`")
    shards: list[ShardOpening] = []
    try:
        while place < tree.row.start:
            (proof,) = await tree.inclusion([0])
            shards.append(ShardOpening(await _text(tree, 0), proof.path))
            shard_before(read_leaf(shards[-1].leaf.encode()))
            former = await shard_at(connection, tree.row.log_id, tree.row.start - 1)
            tree = await SignedTree.newest(connection, former, tree.cache)
    except (AcceptedOtherwise, HeldOutside) as exc:
        former = await shard_at(connection, tree.row.log_id, place)
        raise NotDisclosed(
            f"the record was accepted in an earlier shard, {former.origin} at index {place - former.start}, and its "
            f"message can't be shown with this receipt: ask for it without the message ({exc})"
        ) from exc
    index = place - tree.row.start
    (proof,) = await tree.inclusion([index])
    return AcceptedLeaf(index, await _text(tree, index), proof.path, tuple(shards))


async def _text(tree: SignedTree, index: int) -> str:
    try:
        return (await tree.entry(index)).decode()
    except UnicodeDecodeError as exc:
        raise VerificationFailed(f"the leaf at index {index} is no text; run `sealstream audit verify`") from exc


def producer_message(disclosure: Disclosure, leaf: Leaf, registry: KeyRegistry) -> ProducerMessage:
    """The message as received, for a receipt.

    Args:
        leaf: The leaf of the message: that of its record, or the one that accepted it for later.

    Raises:
        NotDisclosed: It is above the tier, erased, or was never vouched for; or a key of its signers is gone.
    """
    opened = disclosure.message
    if opened is None:
        raise NotDisclosed("the message as received is not kept any more")
    if opened.value is None or opened.salt is None:
        raise NotDisclosed(f"the message as received is tier {opened.tier} ({opened.state}); ask with that tier")
    if leaf.signer is None:
        raise NotDisclosed("nobody's signature on this message could be verified")
    if leaf.reason == Reason.CONFLICT:
        raise NotDisclosed("the message contradicts an earlier one of its id, so that its leaf has another name")
    message = msgspec.msgpack.decode(opened.value[SALT_BYTES:], type=Evidence)
    return ProducerMessage(
        headers=tuple(message.headers),
        key=message.key,
        value=message.value,
        digest_salt=opened.value[:SALT_BYTES],
        seal_salt=opened.salt if EVIDENCE_FIELD in (leaf.fields or {}) else None,
        item=disclosure.item,
        signers=tuple([signer_jwk(registry, key_id) for key_id in leaf.signer.split(",")]),
    )


def signer_jwk(registry: KeyRegistry, key_id: str) -> Mapping[str, str]:
    """A producer's public key as a JWK with its `kid`.

    Raises:
        NotDisclosed: It is not registered any more.
    """
    key = registry.get(key_id)
    if key is None:
        raise NotDisclosed(f"the producer's key {key_id} is not registered any more; run `sealstream audit verify`")
    return Jwk(key.public_key, key.algorithm, key_id, key.encoding, key.signer_id).to_members()


def chosen_fields(opened: Mapping[str, OpenedField], names: Sequence[str] | None) -> dict[str, DisclosedField]:
    """The fields that are disclosed; None for all that are open.

    Raises:
        NotDisclosed: One is not there, or not open.
    """
    if names is None:
        names = [name for name, field in sorted(opened.items()) if field.value is not None]
    chosen = {}
    for name in names:
        field = opened.get(name)
        if field is None:
            raise NotDisclosed(f"no field {name!r} is kept of the record; `sealstream records show` lists its fields")
        if field.value is None or field.salt is None:
            raise NotDisclosed(f"field {name!r} is tier {field.tier} ({field.state}); ask with that tier")
        chosen[name] = DisclosedField(field.value.decode(), field.salt, field.tier)
    return chosen
