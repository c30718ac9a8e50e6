"""The decoders under test, each with the errors that it documents. They are imported when loaded: instrumented."""

import base64
import datetime as dt
import struct
from collections.abc import Callable
from typing import Final

from bench.fuzz import seeds
from bench.fuzz.target import Decoder, Target
from schemas.errors import ConfigurationError, Rejection, SealstreamError, VerificationFailed

STRUCTURED: Final = [("content-type", b"application/cloudevents+json")]
BATCH_LIMIT: Final = 1 << 20
CRC_AT, CRC_ENDS, LENGTH_AT, LENGTH_ENDS = 17, 21, 8, 12


def _binary_event() -> Decoder:
    from schemas.events import decode_event

    return Decoder(lambda data: decode_event(*seeds.split_record(data)), (Rejection,))


def _structured_event() -> Decoder:
    from schemas.events import decode_event

    return Decoder(lambda data: decode_event(STRUCTURED, data), (Rejection,))


def _signed_event() -> Decoder:
    from schemas.events import decode_event
    from security.key_registry import KeyRegistry, SigningKey
    from security.verifiability import claimed_payload, verify_event

    key = SigningKey(
        key_id=seeds.KEY.key_id,
        algorithm=seeds.KEY.algorithm,
        public_key=seeds.KEY.public_key,
        tenant="t",
        domain="d",
        sources=(seeds.SOURCE,),
    )
    registry = KeyRegistry([key])

    def run(data: bytes) -> None:
        event = decode_event(*seeds.split_record(data))
        claimed_payload(event)
        verify_event(event, registry, 0)

    return Decoder(run, (Rejection,))


def _envelope() -> Decoder:
    from security.dsse import MalformedEnvelope, decode_envelope

    return Decoder(decode_envelope, (MalformedEnvelope,))


def _batch_material() -> Decoder:
    from security.batch_material import decode_material
    from security.batch_statement import StatementCache

    def run(data: bytes) -> None:
        found, _ = decode_material(base64.b64encode(data).decode())
        StatementCache().get(bytes(found.statement))

    return Decoder(run, (Rejection,))


def _signed_payload() -> Decoder:
    from security.signed_payload import parse_payload

    return Decoder(parse_payload, (Rejection,))


def _key_file() -> Decoder:
    from security.key_import import read_public_keys
    from security.public_key import InvalidKeyError

    return Decoder(read_public_keys, (InvalidKeyError,))


def _certificate() -> Decoder:
    from security.algorithms import Algorithm
    from security.key_import import read_public_keys
    from security.public_key import InvalidKeyError

    def run(data: bytes) -> None:
        text = base64.b64encode(data)
        lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
        pem = b"-----BEGIN CERTIFICATE-----\n" + lines + b"\n-----END CERTIFICATE-----\n"
        algorithm = Algorithm.PS256 if b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" in data else None
        read_public_keys(pem, algorithm)

    return Decoder(run, (InvalidKeyError,))


def _interpreted(kind: str, schema: str | None = None) -> Callable[[], Decoder]:
    """A payload of a type, as intake reads it once its signature held."""

    def load() -> Decoder:
        from agents.commits.leaves import LogRef
        from agents.commits.outcomes import MessageOutcome, Owner, Place
        from agents.intake.interpretation import Interpreter
        from schemas.catalogue import DEFAULT_CATALOGUE, Catalogue, CatalogueRow
        from schemas.events import Event
        from security.verifiability import VerifiedEvent

        fields = [CatalogueRow("*", seeds.SCHEMA, name, None, 2, None) for name in ("case", "person")]
        catalogue = Catalogue.from_rows([*DEFAULT_CATALOGUE, *fields])
        interpreter = Interpreter(catalogue, lambda tenant, name: b"k" * 32)
        moment = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
        owner, place = Owner(LogRef(1, "t", "o"), "d"), Place("t", 0, 0, moment, moment)

        def run(data: bytes) -> None:
            event = Event(id="e", source=seeds.SOURCE, type=kind, dataschema=schema, data=data)
            verified = VerifiedEvent(
                event=event, core_digest=b"c" * 32, ext_digest=None, key_ids=("k",), tenant="t", domain="d"
            )
            message = MessageOutcome(owner, place, b"m" * 16, b"", event=verified, identity=b"i")
            interpreter.interpret(message)
            if message.rejection is not None:
                raise message.rejection

        return Decoder(run, (Rejection,))

    return load


def _blob() -> Decoder:
    from security.sealed_blob import SealBroken, decode_blob

    return Decoder(lambda data: decode_blob(b"r" * 16, data), (SealBroken,))


def _leaf() -> Decoder:
    from schemas.leaf import decode_leaf

    return Decoder(decode_leaf, (VerificationFailed,))


def _note() -> Decoder:
    from security.checkpoint import parse_checkpoint
    from security.note import parse_note

    return Decoder(lambda data: parse_checkpoint(parse_note(data).text), (VerificationFailed,))


def _watermark() -> Decoder:
    from agents.audit.watermarks import read_watermark

    def run(data: bytes) -> None:
        if read_watermark(data) is None:
            raise VerificationFailed("it can't be read, which the caller is told")

    return Decoder(run, (VerificationFailed,))


def _evidence() -> Decoder:
    from agents.intake.door import unpack_evidence

    return Decoder(unpack_evidence, (VerificationFailed,))


def _producer_list() -> Decoder:
    from agents.completeness.producer_list import read_list

    return Decoder(lambda data: read_list(data.splitlines(keepends=True), seeds.SOURCE), (ConfigurationError,))


def _kafka_batch() -> Decoder:
    """What a fetch brought, as the consumer unpacks it: it never raises."""
    from aiokafka import TopicPartition
    from aiokafka.consumer.fetcher import READ_COMMITTED
    from aiokafka.record.util import calc_crc32c

    from streams.frames.batches import GuardedPartition, GuardedRecords, UnreadableBatch
    from streams.frames.decompression import bound_decompression

    bound_decompression(BATCH_LIMIT)
    place = TopicPartition("t", 0)

    def run(data: bytes) -> None:
        # With length and checksum right, as a broker sees to; otherwise nothing below them would ever be read.
        if len(data) > CRC_ENDS:
            changed = bytearray(data)
            struct.pack_into(">i", changed, LENGTH_AT, len(data) - LENGTH_ENDS)
            struct.pack_into(">I", changed, CRC_AT, calc_crc32c(bytes(changed[CRC_ENDS:])))
            data = bytes(changed)
        unpacked = list(GuardedPartition(place, GuardedRecords(data), [], 0, None, None, True, READ_COMMITTED))
        if any(isinstance(each, UnreadableBatch) for each in unpacked):
            raise Unreadable("it comes as one thing that can't be unpacked")

    return Decoder(run, (Unreadable,))


class Unreadable(SealstreamError):
    """A batch that the consumer passes over."""


TARGETS: Final = {
    target.name: target
    for target in (
        Target("binary-event", _binary_event, seeds.binary_events),
        Target("structured-event", _structured_event, seeds.structured_events),
        Target("signed-event", _signed_event, seeds.binary_events),
        Target("envelope", _envelope, lambda: seeds.material("ce_dssematerial")),
        Target("batch-material", _batch_material, lambda: seeds.material("ce_batchmaterial")),
        Target("signed-payload", _signed_payload, seeds.signed_payloads),
        Target("key-file", _key_file, seeds.key_files),
        Target("certificate", _certificate, seeds.certificates),
        Target("statement", _interpreted(seeds.STATEMENT), lambda: seeds.payloads(seeds.STATEMENT)),
        Target("transaction", _interpreted(seeds.TRANSACTION), lambda: seeds.payloads(seeds.TRANSACTION)),
        Target("record", _interpreted(seeds.RECORD, seeds.SCHEMA), seeds.registered),
        Target("closing", _interpreted(seeds.CLOSING), seeds.closings),
        Target("producer-list", _producer_list, seeds.listed),
        Target("sealed-blob", _blob, seeds.blobs),
        Target("leaf", _leaf, seeds.leaves),
        Target("note", _note, seeds.notes),
        Target("watermark", _watermark, lambda: seeds.WATERMARKS),
        Target("evidence", _evidence, seeds.evidence),
        Target("kafka-batch", _kafka_batch, seeds.batches),
    )
}
