"""Sound inputs for each decoder, from the platform's own generators: a fuzzer gets deep by changing them."""

import base64
import datetime as dt
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas.leaf import KeyChange, NewLeaf, Span, encode_leaf
from sealstream.client import Message, SignedRecord, Signer
from sealstream.closing_book import ClosingBook
from sealstream.feeds import FeedItem
from sealstream.producing.open_feed import open_feed
from security.checkpoint import Checkpoint, sign_checkpoint
from security.note import Signer as NoteSigner
from security.sealed_blob import encode_blob
from security.signing import Ed25519Signer

SOURCE: Final = "urn:fuzz"
KEY: Final = Ed25519Signer("fuzz", b"f" * 32)
HEADER_END: Final = b"\x00"
FIELD_END: Final = b"\x01"
"""Neither may stand in an attribute, so records written with them stay readable when a fuzzer changes bytes."""

SIGNER: Final = Signer(SOURCE, KEY)

TRANSACTION: Final = "io.sealstream.transaction.v1"
STATEMENT: Final = "io.sealstream.statement.v1"
RECORD: Final = "io.sealstream.record.v1"
CLOSING: Final = "io.sealstream.closing.v1"
SCHEMA: Final = "urn:schema:fuzz"


@lru_cache(maxsize=1)
def items() -> tuple[FeedItem, ...]:
    """Transactions and statements of the smallest sample, without its faults."""
    return tuple(item for item in open_feed("sample:small").items() if item.fault is None)


def payloads(kind: str) -> list[bytes]:
    """Payloads of one type."""
    return list(dict.fromkeys(item.data for item in items() if item.type == kind))[:12]


def records() -> list[SignedRecord]:
    """Signed alone, with and without extensions, and in a batch."""
    messages = [
        Message(id="1", type="io.sealstream.transaction.v1", data=b'{"amount":"1"}', time="2026-01-05T08:00:00+01:00"),
        Message(id="2", type="io.sealstream.document.v1", data=b"text", datacontenttype="text/plain", subject="s"),
        Message(id="3", type="t", data=b"{}", extensions={"sequence": "0007", "expirytime": "2026-01-05T08:00:00Z"}),
    ]
    return [SIGNER.sign(message) for message in messages] + SIGNER.sign_batch(messages)


def binary_events() -> list[bytes]:
    """Records in binary mode, as `split_record` reads them."""
    return [join_record(record) for record in records()]


def structured_events() -> list[bytes]:
    """The same in structured mode."""
    return [_structured(record) for record in records()]


def join_record(record: SignedRecord) -> bytes:
    """A record as one string of bytes."""
    fields = [name.encode() + HEADER_END + value for name, value in record.headers]
    return FIELD_END.join([*fields, record.value])


def split_record(data: bytes) -> tuple[list[tuple[str, bytes | None]], bytes]:
    """The headers and the value of a record; a header without its mark has no value."""
    *fields, value = data.split(FIELD_END)
    headers: list[tuple[str, bytes | None]] = []
    for field in fields:
        name, mark, text = field.partition(HEADER_END)
        headers.append((name.decode("utf-8", "replace"), text if mark else None))
    return headers, value


def _structured(record: SignedRecord) -> bytes:
    members = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
    members["datacontenttype"] = members.pop("content-type")
    members["data_base64"] = base64.b64encode(record.value).decode()
    return msgspec.json.encode(members)


def material(name: str) -> list[bytes]:
    """What stands in a header of signature material, out of its base64."""
    return [base64.b64decode(value) for record in records() for header, value in record.headers if header == name]


def signed_payloads() -> list[bytes]:
    """M of each record."""
    return [base64.b64decode(msgspec.json.decode(each)["payload"]) for each in material("ce_dssematerial")]


def closings() -> list[bytes]:
    """Closings over one record."""
    with ClosingBook(SIGNER) as book:
        book.add(records()[0])
        return [book.close().value, book.close(replaces="former").value]


def key_files() -> list[bytes]:
    """JWK, JWK Set, PEM."""
    jwk = msgspec.json.encode(KEY.jwk.to_members() | {"kid": "a"})
    pem = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key()
    return [jwk, b'{"keys":[' + jwk + b"]}", pem.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)]


@lru_cache(maxsize=1)
def certificates() -> tuple[bytes, ...]:
    """DER, of two kinds of key."""
    keys: list[ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey] = [
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ]
    name = x509.Name.from_rfc4514_string("CN=fuzz")
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return tuple(
        x509.CertificateBuilder(name, name, key.public_key(), 7, start, start + dt.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
        .public_bytes(Encoding.DER)
        for key in keys
    )


def notes() -> list[bytes]:
    """A signed checkpoint."""
    return [sign_checkpoint(Checkpoint("fuzz/log", 7, b"r" * 32), [NoteSigner("fuzz/log", b"s" * 32)])]


def batches() -> list[bytes]:
    """Batches of a Kafka topic, with each codec."""
    made = []
    for codec in range(5):
        builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 20)
        for n in range(4):
            builder.append(n, 1_000, b"key", b"a value " * 20, [("h", b"1"), ("n", None)])
        made.append(bytes(builder.build()))
    return made


def leaves() -> Sequence[bytes]:
    """A result, a rejection of a batch, a change of a key."""
    fields = {"amount": b"c" * 32}
    return [
        encode_leaf(NewLeaf(v=1, commit=3, kind="result", time="2026-01-05T08:00:00.000Z", fields=fields, label=b"l")),
        encode_leaf(NewLeaf(v=1, commit=3, kind="rejected", time="t", reason="oversized", span=Span(0, 1, 9, "t"))),
        encode_leaf(
            NewLeaf(v=1, commit=3, kind="key", time="t", key=KeyChange(change="revoke", id="k", sources=("s",)))
        ),
    ]


def evidence() -> list[bytes]:
    """Records as they are kept."""
    return [msgspec.msgpack.encode((record.headers, record.key, record.value)) for record in records()]


def blobs() -> list[bytes]:
    """Sealed fields."""
    return [encode_blob(5, [("amount", 3, os.urandom(40)), ("currency", 2, os.urandom(19))]), encode_blob(0, [])]


def listed() -> list[bytes]:
    """A producer's list."""
    digest = base64.b64encode(b"d" * 32).decode()
    return [msgspec.json.encode({"id": "1", "core": digest, "ext": digest}) + b"\n"]


def registered() -> list[bytes]:
    """Records of the schema in the targets' catalogue."""
    return [b'{"case": 1.50, "person": "\\u00e9"}', b'{"case": {"a": [1, {"b": null}]}}']


WATERMARKS: Final = (
    b'{"cluster":"c","group":"g","steps":[["t",0,-1,5]],"marks":[[0,null,null,null,null]]}',
    b'{"cluster":"c","group":"g","steps":[["t",0,-1,5],["t",1,3,9]]}',
)
