"""A log in memory with the leaves of a few signed messages, and their receipts."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from schemas.events import decode_event
from schemas.identity import item_record_id, message_record_id
from schemas.leaf import LEAF_VERSION, Leaf, decode_leaf, encode_leaf
from schemas.log_change import LogChange
from schemas.receipt import (
    AcceptedLeaf,
    DisclosedField,
    ProducerMessage,
    Receipt,
    ShardOpening,
    encode_receipt,
)
from sealstream.client import Message, SignedRecord
from sealstream.client import Signer as Producer
from security.checkpoint import Checkpoint, sign_checkpoint
from security.commitment import Commitments
from security.merkle import leaf_hash, root_and_paths
from security.note import Signer
from security.receipt_message import packed_message
from security.signed_payload import parse_payload, payload_to_sign
from security.signing import Ed25519Signer

ORIGIN = "logs.example.org/bank-a"
SOURCE = "urn:bank-a:<core> & co"
LOG = Signer(ORIGIN, b"log".ljust(32, b"."))
KEY = Ed25519Signer("bank-a-1", b"producer".ljust(32, b"."))
SECOND_KEY = Ed25519Signer("bank-a-0", b"four eyes".ljust(32, b"."))
STRANGER = Ed25519Signer("bank-a-1", b"stranger".ljust(32, b"."))
FIELDS = {"amount": "125.40", "counterparty_name": "Zoé 李\u2028& <Söhne>", "label": "salary"}
TIERS = {"amount": 3, "counterparty_name": 3, "label": 2}
SIZE = 13


def salt_of(what: str) -> bytes:
    """16 bytes that are the same in every run."""
    return what.encode().ljust(16, b"~")[:16]


def message(name: str, data: str = '{"amount":"125.40","counterparty_name":"Zoé 李"}') -> Message:
    return Message(
        id=name,
        type="io.sealstream.transaction.v1",
        data=data.encode(),
        time="2026-01-31T23:30:59.999+02:00",
        subject="account 7",
        extensions={"datalevel": "3", "expirytime": "2026-02-28T23:59:59.5-03:00", "partitionkey": "hint"},
    )


@dataclass(frozen=True)
class Entry:
    """A leaf, and what a reader of every tier may add to it."""

    leaf: bytes
    fields: dict[str, DisclosedField]
    message: ProducerMessage | None = None
    accepted: int | None = None


def entry(name: str, record: SignedRecord, signers: Sequence[Ed25519Signer] = (KEY,), item: int | None = None) -> Entry:
    """The leaf of a message's record: its own, or that of its n-th item."""
    headers = (*record.headers, ("x-unsigned", b"\x00\xff"), ("x-empty", None))
    event = decode_event(headers, record.value)
    signed = parse_payload(payload_to_sign(event, ["datalevel", "expirytime"]))
    received = ProducerMessage(
        headers=headers,
        key=record.key,
        value=record.value,
        digest_salt=salt_of(f"digest {name}"),
        signers=tuple([signer.jwk.to_members() for signer in signers]),
        item=item,
    )
    fields = {name_: DisclosedField(value, salt_of(f"{name_} {name}"), TIERS[name_]) for name_, value in FIELDS.items()}
    commitments = {
        each: b64encode(Commitments.SHA256.commit(field.salt, field.value.encode())).decode()
        for each, field in fields.items()
    }
    label = commitments.pop("label")
    if item is None:
        received = replaced(received, seal_salt=salt_of(f"seal {name}"))
        packed = received.digest_salt + packed_message(received)
        commitments["evidence"] = b64encode(Commitments.SHA256.commit(received.seal_salt or b"", packed)).decode()
    message_id = message_record_id(event.source, event.id)
    leaf = Leaf(
        v=LEAF_VERSION,
        commit=7,
        kind="result",
        time="2026-02-01T08:00:00.000Z",
        outcome="booked",
        record=str(UUID(bytes=message_id if item is None else item_record_id(event.source, event.id, item))),
        message=str(UUID(bytes=message_id)),
        label=label,
        model="transaction_kind/1/" + "ab" * 32,
        fields=commitments,
        digest=b64encode(Commitments.SHA256.commit(received.digest_salt, signed.core + (signed.ext or b""))).decode(),
        signer=",".join(sorted(signer.jwk.key_id or "" for signer in signers)),
        source=event.source,
        type=event.type,
    )
    return Entry(encode_leaf(leaf), fields, received)


def deferred(name: str, record: SignedRecord) -> tuple[Entry, Entry]:
    """The leaf that accepts a message for later, and the one that ends it: fields there, signature and message here."""
    whole = entry(name, record)
    leaf = decode_leaf(whole.leaf)
    commitments = dict(leaf.fields or {})
    plan = '{"deadline":"2026-02-01T08:01:00.000Z","lane":"text.normal","models":["letters@1"]}'
    accepts = msgspec.structs.replace(
        leaf,
        kind="accepted",
        outcome="deferred",
        fields={"evidence": commitments.pop("evidence")},
        label=None,
        decision=plan,
    )
    ends = msgspec.structs.replace(
        leaf, fields=commitments, digest=None, signer=None, decision='{"device":"d0","queue":"text.normal"}'
    )
    return Entry(encode_leaf(accepts), {}), Entry(encode_leaf(ends), whole.fields, whole.message, ACCEPTED)


def replaced(of: ProducerMessage, **members: Any) -> ProducerMessage:
    found = {name: getattr(of, name) for name in ProducerMessage.__struct_fields__}
    return ProducerMessage(**{**found, **members})


@dataclass(frozen=True)
class SampleLog:
    """A log of fillers and the samples."""

    signer: Signer
    entries: tuple[Entry, ...]

    def receipt(self, index: int, size: int = SIZE) -> Receipt:
        root, paths = root_and_paths([leaf_hash(each.leaf) for each in self.entries[:size]])
        found = self.entries[index]
        accepted = None
        if (first := found.accepted) is not None:
            accepted = AcceptedLeaf(first, self.entries[first].leaf.decode(), tuple(paths[first]))
        return Receipt(
            origin=self.signer.verifier.name,
            index=index,
            leaf=found.leaf.decode(),
            path=tuple(paths[index]) if index < size else (),
            checkpoint=self.checkpoint(root, size),
            fields=found.fields,
            message=found.message,
            accepted=accepted,
        )

    def checkpoint(self, root: bytes, size: int, *others: Signer) -> str:
        checkpoint = Checkpoint(self.signer.verifier.name, size, root)
        return sign_checkpoint(checkpoint, [*others, self.signer]).decode()


ALONE, OTHER, TOGETHER, BATCHED, ITEM, ACCEPTED, ENDED = 3, 4, 6, 9, 12, 7, 11
"""Where the samples stand: a message signed alone, a second one, one by two keys, one of a batch, an item of one; one
that was accepted for later, and how it ended."""


@cache
def sample_log(signer: Signer = LOG) -> SampleLog:
    producer = Producer(SOURCE, KEY)
    entries = [
        Entry(encode_leaf(Leaf(v=LEAF_VERSION, commit=n, kind="read", time="2026-02-01T08:00:00.000Z", count=n)), {})
        for n in range(SIZE)
    ]
    entries[ALONE] = entry("a", producer.sign(message("a")))
    entries[OTHER] = entry("b", producer.sign(message("b")))
    entries[TOGETHER] = entry("d", Producer(SOURCE, KEY, SECOND_KEY).sign(message("d")), (KEY, SECOND_KEY))
    entries[BATCHED] = entry("c3", producer.sign_batch([message(f"c{n}") for n in range(7)])[3])
    entries[ACCEPTED], entries[ENDED] = deferred("l", producer.sign(message("l")))
    entries[ITEM] = entry("s", producer.sign(message("s")), item=2)
    return SampleLog(signer, tuple(entries))


def across(shards: int, change: str = "open") -> Receipt:
    """A record that was accepted that many shards before the one in which it ended."""
    entries: Sequence[Entry] = sample_log().entries
    accepts, ends = entries[ACCEPTED].leaf.decode(), entries[ENDED]
    root, paths = root_and_paths([leaf_hash(each.leaf) for each in entries])
    path, openings = tuple(paths[ACCEPTED]), []
    for n in range(shards):
        said = LogChange(change=change, origin=f"{ORIGIN}/former/{n}", root=root.hex(), size=len(entries))
        opening = Leaf(v=LEAF_VERSION, commit=n, kind="open", time="2026-02-01T08:00:00.000Z", log=said)
        entries = [Entry(encode_leaf(opening), {}), *sample_log().entries[1 : 3 + n], ends]
        root, paths = root_and_paths([leaf_hash(each.leaf) for each in entries])
        openings.insert(0, ShardOpening(encode_leaf(opening).decode(), tuple(paths[0])))
    return Receipt(
        origin=ORIGIN,
        index=len(entries) - 1,
        leaf=ends.leaf.decode(),
        path=tuple(paths[-1]),
        checkpoint=sample_log().checkpoint(root, len(entries)),
        fields=ends.fields,
        message=ends.message,
        accepted=AcceptedLeaf(ACCEPTED, accepts, path, tuple(openings)),
    )


def good_receipts() -> dict[str, bytes]:
    """Receipts that every verifier accepts."""
    log = sample_log()
    places = {"alone": ALONE, "together": TOGETHER, "batched": BATCHED, "item": ITEM, "filler": 0, "deferred": ENDED}
    whole = {name: log.receipt(index) for name, index in places.items()}
    alone = whole["alone"]
    structs = {
        **whole,
        "one-field": changed(alone, fields={"amount": alone.fields["amount"]}, message=None),
        "no-field": changed(alone, fields={}, message=None),
        "message-only": changed(alone, fields={}),
        "full-tree": log.receipt(ALONE, 8),
        "last-leaf": log.receipt(ALONE, ALONE + 1),
        "first-and-only": log.receipt(0, 1),
        "shard-before": across(1),
        "shards-before": across(3),
        "cosigned": changed(alone, checkpoint=_cosigned()),
    }
    return {name: encode_receipt(each) for name, each in structs.items()}


def changed(receipt: Receipt, **members: Any) -> Receipt:
    found = {name: getattr(receipt, name) for name in Receipt.__struct_fields__}
    return Receipt(**{**found, **members})


def _cosigned() -> str:
    log = sample_log()
    root, _ = root_and_paths([leaf_hash(each.leaf) for each in log.entries])
    return log.checkpoint(root, SIZE, Signer("witness.example.org", b"witness".ljust(32, b".")))
