"""Statements of batch attestation: what a producer signs for N records at once, and the statements already checked.

Which record stands where in a batch is security.batch_material; making batches is security.batch_signing.
"""

import base64
from typing import Annotated, Final, NoReturn
from weakref import ReferenceType, ref

import msgspec

from schemas.errors import Rejection
from schemas.events.attributes import decode_base64
from schemas.reasons import Reason
from security.attesting_keys import Attestation, attesting_keys, is_genuine
from security.dsse import DsseSignature, MalformedEnvelope, decode_envelope
from security.inclusion import InclusionChecker
from security.key_registry import KeyRegistry, SigningKey
from security.merkle import HASH_BYTES
from security.public_key import PublicKey

BATCH_PAYLOAD_TYPE: Final = "application/vnd.sealstream.batch.v1+json"
MAX_BATCH: Final = 65_536
"""Records under one statement: a path then has at most 16 hashes."""

MAX_STATEMENT_BYTES: Final = 12 * 1024
"""Eight signatures of the longest kind fit."""

KEPT_STATEMENTS: Final = 1_024


class StatementContent(msgspec.Struct, frozen=True, gc=False):
    """What is signed.

    Attributes:
        root: RFC 6962 root over the batch's leaves, 32 bytes.
        size: Leaves.
        source: The source of every event of the batch.
    """

    root: bytes
    size: int
    source: str


class _WireContent(msgspec.Struct):
    root: str
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)]
    source: str


_CONTENT = msgspec.json.Decoder(_WireContent)


def encode_content(content: StatementContent) -> bytes:
    """The statement's payload as producers of ours write it."""
    return msgspec.json.encode(
        {"root": base64.b64encode(content.root).decode(), "size": content.size, "source": content.source}
    )


def parse_content(payload: bytes) -> StatementContent:
    """Read a statement's payload, after a signature over it held.

    Raises:
        Rejection: `malformed`: not JSON with those members, a root that is not 32 bytes in base64, a size out of range.
    """
    try:
        wire = _CONTENT.decode(payload)
        root = decode_base64(wire.root)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        _malformed("the payload of the statement is not JSON with root, size and source")
    if len(root) != HASH_BYTES:
        _malformed(f"the root of the statement is not {HASH_BYTES} bytes long")
    return StatementContent(root, wire.size, wire.source)


class Statement:
    """A decoded statement, and what is known about it so far.

    Args:
        text: The envelope as it stands in the material.

    Raises:
        Rejection: `malformed`.
    """

    def __init__(self, text: bytes) -> None:
        try:
            envelope = decode_envelope(text)
        except MalformedEnvelope as exc:
            _malformed(f"the statement: {exc}")
        if envelope.payload_type != BATCH_PAYLOAD_TYPE:
            _malformed("the statement's payloadType is not that of a batch")
        self.signatures: tuple[DsseSignature, ...] = envelope.signatures
        self._payload = envelope.payload
        self._signed = envelope.signed_bytes()
        # Good and bad verdicts: a flood of records under a bad statement costs one check for each key.
        self._verdicts: dict[tuple[str, int], tuple[PublicKey, bool]] = {}
        self._answer: tuple[ReferenceType[KeyRegistry], str, str, int, Attestation] | None = None
        self._content: StatementContent | None = None
        self._inclusion: InclusionChecker | None = None

    def attestation(self, source: str, event_type: str, registry: KeyRegistry, at_ms: int) -> Attestation:
        """Who answers for an event under this statement; arguments as `attesting_keys`.

        Raises:
            Rejection: As `attesting_keys` and `parse_content`; `digest_mismatch` when the statement is about another
                source.
        """
        # Neighbours are of one type and were appended at once, so they ask the same question.
        if self._answer is not None:
            known_registry, known_source, known_type, known_ms, attestation = self._answer
            if (known_ms, known_type, known_source) == (at_ms, event_type, source) and known_registry() is registry:
                return attestation
        attestation = attesting_keys(source, event_type, self.signatures, self.holds, registry, at_ms)
        if self.content.source != source:
            raise Rejection(Reason.DIGEST_MISMATCH, "the batch was signed for another source than the event's")
        self._answer = ref(registry), source, event_type, at_ms, attestation
        return attestation

    def holds(self, key: SigningKey, n: int) -> bool:
        """Whether the n-th signature holds under the key; computed once."""
        known = self._verdicts.get((key.key_id, n))
        # A key id may name another key after the registry was renewed.
        if known is not None and (known[0] is key.public_key or known[0] == key.public_key):
            return known[1]
        verdict = is_genuine(key, self._signed, self.signatures[n].sig)
        self._verdicts[key.key_id, n] = key.public_key, verdict
        return verdict

    @property
    def content(self) -> StatementContent:
        """What was signed; only ask once a signature held. Errors as `parse_content`."""
        if self._content is None:
            self._content = parse_content(self._payload)
        return self._content

    @property
    def inclusion(self) -> InclusionChecker:
        """Checks which leaves stand under the statement; only ask once a signature held. Errors as `parse_content`."""
        if self._inclusion is None:
            self._inclusion = InclusionChecker(self.content.root, self.content.size)
        return self._inclusion


class StatementCache:
    """The statements that came last, so that each is decoded and verified once; never more than `KEPT_STATEMENTS`.

    What it remembers are facts of the statement's bytes. Whether a key counts is for each record to ask.
    """

    def __init__(self) -> None:
        self._statements: dict[bytes, Statement] = {}

    def __len__(self) -> int:
        return len(self._statements)

    def get(self, text: bytes) -> Statement:
        """The statement with exactly these bytes.

        Raises:
            Rejection: `malformed`, `oversized`.
        """
        statement = self._statements.get(text)
        if statement is not None:
            return statement
        if len(text) > MAX_STATEMENT_BYTES:
            raise Rejection(
                Reason.OVERSIZED, f"batchmaterial: the statement is longer than {MAX_STATEMENT_BYTES} bytes"
            )
        statement = self._statements[text] = Statement(text)
        if len(self._statements) > KEPT_STATEMENTS:
            del self._statements[next(iter(self._statements))]
        return statement


def _malformed(detail: str) -> NoReturn:
    raise Rejection(Reason.MALFORMED, f"batchmaterial: {detail}")
