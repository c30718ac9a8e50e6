"""Everything that can be done to a receipt: one table for all verifiers."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.receipt import Receipt, encode_receipt
from sealstream.client import Signer as Producer
from security.note import Signer
from tests.support.receipts import (
    ALONE,
    ITEM,
    ORIGIN,
    OTHER,
    SIZE,
    SOURCE,
    STRANGER,
    across,
    changed,
    entry,
    good_receipts,
    message,
    sample_log,
)

Part = Literal["log", "fields", "message"]
Members = dict[str, Any]


@dataclass(frozen=True)
class Tampered:
    """A receipt that is not good any more.

    Attributes:
        part: What has to be checked to see it.
        change: Changes its members, or gives other bytes for the whole file.
        base: Which of the good receipts.
    """

    part: Part
    change: Callable[[Members], bytes | None]
    base: str = "alone"

    def make(self) -> bytes:
        members = json.loads(good_receipts()[self.base])
        made = self.change(members)
        return made if made is not None else dump(members)


def dump(members: Members) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode()


def _set(*path: Any) -> Callable[[Members], None]:
    """Put the last word where the others lead."""

    def change(members: Any) -> None:
        *way, last, value = path
        for step in way:
            members = members[step]
        members[last] = value(members[last]) if callable(value) else value

    return change


def _drop(*path: Any) -> Callable[[Members], None]:
    def change(members: Any) -> None:
        for step in path[:-1]:
            members = members[step]
        del members[path[-1]]

    return change


def flipped(text: str) -> str:
    """Base64 of the same bytes with one bit changed."""
    raw = bytearray(b64decode(text))
    raw[len(raw) // 2] ^= 1
    return b64encode(raw).decode()


def _flipped_line(line: str) -> str:
    dash, name, signature = line.split(" ")
    return f"{dash} {name} {flipped(signature)}"


def _note(change: Callable[[list[str]], None]) -> Callable[[Members], None]:
    def apply(members: Members) -> None:
        lines = members["checkpoint"].split("\n")
        change(lines)
        members["checkpoint"] = "\n".join(lines)

    return apply


def _text(change: Callable[[str], str | bytes]) -> Callable[[Members], bytes]:
    def apply(members: Members) -> bytes:
        made = change(dump(members).decode())
        return made if isinstance(made, bytes) else made.encode()

    return apply


def _checkpoint_of(other: Callable[[], Receipt]) -> Callable[[Members], None]:
    return lambda members: _set("checkpoint", other().checkpoint)(members)


def _swap(path: Sequence[Any], one: str, two: str) -> Callable[[Members], None]:
    def change(members: Any) -> None:
        for step in path:
            members = members[step]
        members[one], members[two] = members[two], members[one]

    return change


def _header(name: str, change: Callable[[str | None], str | None]) -> Callable[[Members], None]:
    def apply(members: Members) -> None:
        for pair in members["message"]["headers"]:
            if pair[0] == name:
                pair[1] = change(pair[1])

    return apply


def _signature(text: str | None) -> str:
    envelope = json.loads(b64decode(b64decode(text or "")))
    envelope["signatures"][0]["sig"] = flipped(envelope["signatures"][0]["sig"])
    return b64encode(b64encode(json.dumps(envelope).encode())).decode()


def _batch(change: Callable[[Members], None]) -> Callable[[str | None], str]:
    def apply(text: str | None) -> str:
        material = json.loads(b64decode(b64decode(text or "")))
        change(material)
        return b64encode(b64encode(json.dumps(material).encode())).decode()

    return apply


def _message_of(index: int) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        other = json.loads(encode_receipt(sample_log().receipt(index)))
        members["message"] = other["message"]

    return change


def _signed_anew(members: Members) -> None:
    """The same content, signed by a stranger who calls himself by the producer's name."""
    made = entry("a", Producer(SOURCE, STRANGER).sign(message("a")), [STRANGER])
    members["message"] = json.loads(encode_receipt(changed(sample_log().receipt(ALONE), message=made.message)))[
        "message"
    ]


def _non_canonical(text: str) -> str:
    """Another spelling of the same bytes: stray bits before the padding."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(text.rstrip("=")) - 1
    return text[:at] + alphabet[alphabet.index(text[at]) + 1] + text[at + 1 :]


def _foreign() -> Receipt:
    return sample_log(Signer("logs.example.org/bank-b", b"log".ljust(32, b"."))).receipt(ALONE)


def _forged() -> Receipt:
    return sample_log(Signer(ORIGIN, b"forger".ljust(32, b"."))).receipt(ALONE)


def _of_deferred(change: Callable[[Members], None]) -> Tampered:
    return Tampered("message", change, "deferred")


def _place(members: Members) -> Members:
    return {name: members[name] for name in ("index", "leaf", "path")}


def _place_of(index: int) -> Members:
    return _place(json.loads(encode_receipt(sample_log().receipt(index))))


def _of_shards(change: Callable[[Members], None]) -> Tampered:
    return Tampered("message", change, "shards-before")


def _filler_as_shard(members: Members) -> None:
    """The tree's first leaf, which is there, in the place of one that begins a shard."""
    filler = _place_of(0)
    members["accepted"]["shards"] = [{"leaf": filler["leaf"], "path": filler["path"]}]


def _exchanged(members: Members) -> None:
    """What ended it is said to have been before, and discloses nothing."""
    first = members["accepted"]
    members["accepted"] = _place(members)
    members.update(first, fields={})


TAMPERED: dict[str, Tampered] = {
    "leaf-byte": Tampered("log", _set("leaf", lambda leaf: leaf.replace("booked", "bookee"))),
    "leaf-space": Tampered("log", _set("leaf", lambda leaf: leaf + " ")),
    "leaf-of-another-record": Tampered("log", lambda m: _set("leaf", sample_log().entries[OTHER].leaf.decode())(m)),
    "index-plus-one": Tampered("log", _set("index", ALONE + 1)),
    "index-minus-one": Tampered("log", _set("index", ALONE - 1)),
    "index-beyond-the-tree": Tampered("log", _set("index", SIZE)),
    "index-beyond-64-bits": Tampered("log", _set("index", 2**64 + ALONE)),
    "index-negative": Tampered("log", _set("index", -ALONE)),
    "index-a-float": Tampered("log", _text(lambda text: text.replace('"index": 3', '"index": 3.0'))),
    "index-a-text": Tampered("log", _set("index", str(ALONE))),
    "path-hash-changed": Tampered("log", _set("path", 1, flipped)),
    "path-hash-removed": Tampered("log", _drop("path", 1)),
    "path-hash-added": Tampered("log", _set("path", lambda path: [*path, path[0]])),
    "path-reordered": Tampered("log", _set("path", lambda path: path[::-1])),
    "path-hash-cut": Tampered("log", _set("path", 0, lambda text: b64encode(b64decode(text)[:31]).decode())),
    "path-empty": Tampered("log", _set("path", [])),
    "path-too-long": Tampered("log", _set("path", lambda path: path * 20)),
    "checkpoint-size": Tampered("log", _note(lambda lines: lines.__setitem__(1, "14"))),
    "checkpoint-root": Tampered("log", _note(lambda lines: lines.__setitem__(2, flipped(lines[2])))),
    "checkpoint-origin": Tampered("log", _note(lambda lines: lines.__setitem__(0, ORIGIN + "2"))),
    "checkpoint-signature": Tampered("log", _note(lambda lines: lines.__setitem__(4, _flipped_line(lines[4])))),
    "checkpoint-unsigned": Tampered("log", _note(lambda lines: lines.__delitem__(4))),
    "checkpoint-extended": Tampered("log", _note(lambda lines: lines.insert(3, "backdated"))),
    "checkpoint-of-another-log": Tampered("log", _checkpoint_of(_foreign)),
    "checkpoint-by-another-key": Tampered("log", _checkpoint_of(_forged)),
    "checkpoint-too-old": Tampered("log", _checkpoint_of(lambda: sample_log().receipt(0, ALONE))),
    "checkpoint-of-another-size": Tampered("log", _checkpoint_of(lambda: sample_log().receipt(0, 12))),
    "receipt-of-another-log": Tampered("log", lambda _: encode_receipt(_foreign())),
    "origin-changed": Tampered("log", _set("origin", ORIGIN + "2")),
    "field-value": Tampered("fields", _set("fields", "amount", "value", "125.41")),
    "field-value-longer": Tampered("fields", _set("fields", "amount", "value", "125.40 ")),
    "field-salt": Tampered("fields", _set("fields", "amount", "salt", flipped)),
    "field-salt-short": Tampered("fields", _set("fields", "amount", "salt", b64encode(b"x" * 15).decode())),
    "field-names-swapped": Tampered("fields", _swap(["fields"], "amount", "counterparty_name")),
    "field-salts-swapped": Tampered(
        "fields",
        lambda m: m["fields"].update(amount=dict(m["fields"]["amount"], salt=m["fields"]["label"]["salt"])),
    ),
    "field-not-in-leaf": Tampered("fields", lambda m: m["fields"].update(iban=m["fields"]["amount"])),
    "field-called-evidence": Tampered("fields", lambda m: m["fields"].update(evidence=m["fields"]["amount"])),
    "field-of-another-record": Tampered(
        "fields", lambda m: m["fields"].update(json.loads(encode_receipt(sample_log().receipt(OTHER)))["fields"])
    ),
    "field-tier-out-of-range": Tampered("fields", _set("fields", "amount", "tier", 6)),
    "field-with-more": Tampered("fields", lambda m: m["fields"]["amount"].update(currency="EUR")),
    "message-payload": Tampered("message", _set("message", "value", flipped)),
    "message-payload-missing": Tampered("message", _set("message", "value", None)),
    "message-signed-header": Tampered("message", _header("ce_subject", flipped)),
    "message-unsigned-header": Tampered("message", _header("x-unsigned", flipped)),
    "message-header-removed": Tampered("message", _drop("message", "headers", -1)),
    "message-header-repeated": Tampered("message", _set("message", "headers", lambda headers: [headers[0], *headers])),
    "message-kafka-key": Tampered("message", _set("message", "key", flipped)),
    "message-signature": Tampered("message", _header("ce_dssematerial", _signature)),
    "message-signature-of-an-item": Tampered("message", _header("ce_dssematerial", _signature), base="item"),
    "message-unsigned": Tampered(
        "message",
        lambda m: m["message"].update(headers=[pair for pair in m["message"]["headers"] if "dsse" not in pair[0]]),
    ),
    "message-of-another-record": Tampered("message", _message_of(OTHER)),
    "message-of-an-item-instead": Tampered("message", _message_of(ITEM)),
    "message-of-another-batch-member": Tampered("message", _message_of(ALONE), base="batched"),
    "message-digest-salt": Tampered("message", _set("message", "digest_salt", flipped)),
    "message-seal-salt": Tampered("message", _set("message", "seal_salt", flipped)),
    "message-seal-salt-missing": Tampered("message", _drop("message", "seal_salt")),
    "message-seal-salt-too-much": Tampered(
        "message", lambda m: m["message"].update(seal_salt=m["message"]["digest_salt"]), base="item"
    ),
    "message-signed-anew": Tampered("message", _signed_anew),
    "message-other-key": Tampered("message", lambda m: m["message"].update(signers=[STRANGER.jwk.to_members()])),
    "message-key-renamed": Tampered("message", _set("message", "signers", 0, "kid", "bank-a-2")),
    "message-key-without-name": Tampered("message", _drop("message", "signers", 0, "kid")),
    "message-no-key": Tampered("message", _set("message", "signers", [])),
    "message-key-twice": Tampered("message", _set("message", "signers", lambda keys: keys * 2)),
    "message-one-key-of-two": Tampered("message", _drop("message", "signers", 0), base="together"),
    "message-another-key-of-two": Tampered(
        "message", _set("message", "signers", 1, "x", STRANGER.jwk.to_members()["x"]), base="together"
    ),
    "message-another-item": Tampered("message", _set("message", "item", 1), base="item"),
    "message-no-item": Tampered("message", _drop("message", "item"), base="item"),
    "message-an-item-of-itself": Tampered("message", lambda m: m["message"].update(item=0)),
    "message-under-a-leaf-without-one": Tampered("message", _message_of(ALONE), base="filler"),
    "batch-nonce": Tampered("message", _header("ce_batchmaterial", _batch(_set("nonce", flipped))), base="batched"),
    "batch-index": Tampered("message", _header("ce_batchmaterial", _batch(_set("index", 2))), base="batched"),
    "batch-path": Tampered("message", _header("ce_batchmaterial", _batch(_set("path", 0, flipped))), base="batched"),
    "batch-payload": Tampered("message", _header("ce_batchmaterial", _batch(_set("payload", flipped))), base="batched"),
    "batch-statement": Tampered(
        "message", _header("ce_batchmaterial", _batch(_set("statement", "payload", flipped))), base="batched"
    ),
    "version-unknown": Tampered("log", _set("version", 2)),
    "version-a-boolean": Tampered("log", _set("version", True)),
    "version-missing": Tampered("log", _drop("version")),
    "member-unknown": Tampered("log", lambda m: m.update(comment="checked by nobody")),
    "member-missing": Tampered("log", _drop("fields")),
    "member-in-capitals": Tampered("log", lambda m: m.update(Leaf=m.pop("leaf"))),
    "member-null": Tampered("log", _set("path", None)),
    "member-twice": Tampered("log", _text(lambda text: text[:-1] + ', "index": 3}')),
    "field-twice": Tampered("fields", _text(lambda text: text.replace('"fields": {', '"fields": {"amount": {}, '))),
    "base64-with-stray-bits": Tampered("log", _set("path", 0, _non_canonical)),
    "base64-with-a-line-break": Tampered("log", _set("path", 0, lambda text: text[:8] + "\n" + text[8:])),
    "base64-url-alphabet": Tampered(
        "fields", _set("fields", "amount", "salt", lambda _: b64encode(b"\xff" * 16).decode().replace("/", "_"))
    ),
    "salt-with-stray-bits": Tampered("fields", _set("fields", "amount", "salt", _non_canonical)),
    "truncated": Tampered("log", _text(lambda text: text[:-20])),
    "something-after-it": Tampered("log", _text(lambda text: text + "{}")),
    "not-utf-8": Tampered("log", _text(lambda text: text.encode().replace(b"booked", b"book\xff\xfe"))),
    "lone-surrogate": Tampered("log", _text(lambda text: text.replace("booked", "book\\ud800"))),
    "an-array": Tampered("log", _text(lambda text: f"[{text}]")),
    "empty": Tampered("log", lambda _: b""),
    "accepted-leaf-byte": _of_deferred(_set("accepted", "leaf", lambda leaf: leaf.replace("normal", "urgent"))),
    "accepted-leaf-missing": _of_deferred(_drop("accepted")),
    "accepted-leaf-without-message": Tampered("log", _drop("message"), "deferred"),
    "accepted-leaf-is-the-end-itself": _of_deferred(lambda m: _set("accepted", _place(m))(m)),
    "accepted-leaf-of-another-record": _of_deferred(lambda m: _set("accepted", _place_of(ALONE))(m)),
    "accepted-leaf-later-than-the-end": _of_deferred(_exchanged),
    "accepted-leaf-index": _of_deferred(_set("accepted", "index", ALONE)),
    "accepted-leaf-path": _of_deferred(_set("accepted", "path", 0, flipped)),
    "accepted-leaf-with-a-member-more": Tampered("log", _set("accepted", "checkpoint", "x"), "deferred"),
    "accepted-leaf-of-what-was-never-deferred": Tampered("message", lambda m: _set("accepted", _place_of(OTHER))(m)),
    "shards-missing": _of_shards(_drop("accepted", "shards")),
    "shards-none": Tampered("log", _set("accepted", "shards", []), "shards-before"),
    "shards-no-list": Tampered("log", _set("accepted", "shards", {}), "shards-before"),
    "shards-too-many": Tampered("log", _set("accepted", "shards", lambda shards: shards * 22), "shards-before"),
    "shards-one-left-out": _of_shards(_drop("accepted", "shards", 1)),
    "shards-last-left-out": _of_shards(_drop("accepted", "shards", 2)),
    "shards-reordered": _of_shards(_set("accepted", "shards", lambda shards: shards[::-1])),
    "shard-leaf-byte": _of_shards(_set("accepted", "shards", 2, "leaf", lambda leaf: leaf.replace("13", "12"))),
    "shard-path": _of_shards(_set("accepted", "shards", 0, "path", 0, flipped)),
    "shard-with-an-index": Tampered("log", _set("accepted", "shards", 0, "index", 0), "shards-before"),
    "shard-that-opens-nothing": _of_deferred(_filler_as_shard),
    "shard-before-was-lost-in-part": Tampered("message", lambda _: encode_receipt(across(1, "succeed"))),
    "accepted-index-negative": Tampered("log", _set("accepted", "index", -1), "deferred"),
}  # fmt: skip


def oversized() -> bytes:
    """A receipt of more bytes than any has."""
    return good_receipts()["alone"] + b" " * (32 << 20)
