"""The door: envelope, signature, key. What fails here may claim nothing; its payload is never looked at."""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from agents.commits.outcomes import MessageOutcome, Owner, Place
from agents.commits.record_batch import RawRecord
from schemas.errors import Rejection, VerificationFailed
from schemas.events import Event, decode_event
from schemas.events.attributes import MAX_MESSAGE_BYTES
from schemas.identity import message_record_id, position_id
from schemas.leaf import Span
from schemas.reasons import Reason
from security.batch_statement import StatementCache
from security.hmac_sha256 import hmac_sha256
from security.key_registry import KeyRegistry
from security.time_windows import check_times
from security.verifiability import VerifiedEvent, verify_event

if TYPE_CHECKING:  # it takes a second to import, and who only reads records needs no Kafka
    from streams.frames import UnreadableBatch

IDENTITY_DIGEST_BYTES: Final = 16
IDENTITY_KEY: Final = "identity"

LOG_APPEND_TIME: Final = 1
MAX_TIMESTAMP_MS: Final = 253_402_300_799_999
"""The last millisecond of year 9999; producers may write any 64-bit number."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_encode = msgspec.msgpack.Encoder().encode


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """A message's bytes as received: what is sealed as its evidence."""

    headers: list[tuple[str, bytes | None]]
    key: bytes | None
    value: bytes | None


_unpack = msgspec.msgpack.Decoder(Evidence).decode


def unpack_evidence(packed: bytes) -> Evidence:
    """Read a message's bytes back, without the salt before them.

    Raises:
        VerificationFailed: They are not a packed message.
    """
    try:
        return _unpack(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise VerificationFailed("what is kept as evidence is not a packed message") from exc


class Intake:
    """Verifies messages and says whose they are.

    Args:
        cluster: Id of the Kafka cluster, part of the name of a message that can't be verified.
        registry: The producers' keys.
        owners: (tenant, domain) to the owner with its log, for every pair that a key is bound to.
        platform: Owner of everything that can't be verified.
        index_key: (tenant, name) to a keyed-digest key.
        statements: Statements of batches already checked; outlives this object, since keys come and go.
        clock_ms: Milliseconds since 1970.
    """

    def __init__(
        self,
        cluster: str,
        registry: KeyRegistry,
        owners: Mapping[tuple[str, str], Owner],
        platform: Owner,
        index_key: Callable[[str, str], bytes],
        statements: StatementCache | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._owners = owners
        self._platform = platform
        self._statements = StatementCache() if statements is None else statements
        self._clock_ms = clock_ms
        self._identity_keys = {tenant: index_key(tenant, IDENTITY_KEY) for tenant, _ in owners}

    def verify(self, records: Sequence[RawRecord]) -> list[MessageOutcome]:
        """One outcome for each record, in order: verified, or rejected with the reason."""
        now_ms = self._clock_ms()
        places = [_place(record, record.offset, now_ms) for record in records]
        # Step by step over the frame, not record by record: what one step needs stays in the processor's caches.
        events = [_decoded(record) for record in records]
        verified = [self._verified(event, at_ms) for event, (_, at_ms) in zip(events, places, strict=True)]
        return [
            self._outcome(record, place, at_ms, event)
            for record, (place, at_ms), event in zip(records, places, verified, strict=True)
        ]

    def refused(self, record: RawRecord, rejection: Rejection) -> MessageOutcome:
        """The outcome of a record that claims nothing, whatever stands in it: it is not looked at."""
        place, _ = _place(record, record.offset, self._clock_ms())
        return self._refused(record, place, _packed(record), rejection)

    def refuse_batches(self, batches: Sequence["UnreadableBatch"]) -> list[MessageOutcome]:
        """One rejected outcome for each batch that can't be unpacked; it is named by its first offset.

        What is kept as evidence is its header and its digest: the batch itself may be as large as the broker allows,
        and nobody could do anything with it.
        """
        now_ms = self._clock_ms()
        return [self._refuse_batch(batch, now_ms) for batch in batches]

    def _refuse_batch(self, batch: "UnreadableBatch", now_ms: int) -> MessageOutcome:
        facts: list[tuple[str, bytes | None]] = [
            ("batch-offsets", b"%d-%d" % (batch.first, batch.last)),
            ("batch-sha256", batch.digest.hex().encode()),
        ]
        return MessageOutcome(
            self._platform,
            _place(batch, batch.first, now_ms)[0],
            position_id(self._cluster, batch.topic, batch.partition, batch.first),
            _encode((facts, None, batch.header)),
            rejection=Rejection(
                Reason.OVERSIZED if batch.why == "oversized" else Reason.MALFORMED,
                f"{batch.detail}; offsets {batch.first} to {batch.last} are passed over",
            ),
            passed_over=Span(batch.first, batch.partition, batch.last + 1, batch.topic),
            count=batch.count,
        )

    def _verified(self, event: Event | Rejection, at_ms: int) -> VerifiedEvent | Rejection:
        if isinstance(event, Rejection):
            return event
        try:
            return verify_event(event, self._registry, at_ms, self._statements)
        except Rejection as rejection:
            return rejection

    def _outcome(self, record: RawRecord, place: Place, at_ms: int, event: VerifiedEvent | Rejection) -> MessageOutcome:
        if isinstance(event, Rejection):
            return self._refused(record, place, _packed(record), event)
        return MessageOutcome(
            self._owners[event.tenant, event.domain],
            place,
            message_record_id(event.event.source, event.event.id),
            _packed(record),
            event=event,
            identity=identity_digest(self._identity_keys[event.tenant], event),
            rejection=self._stale(event, at_ms),
        )

    def _stale(self, event: VerifiedEvent, received_ms: int) -> Rejection | None:
        """Why it comes at the wrong time. It is its producer's all the same, and keeps its name."""
        try:
            check_times(self._registry.policy(event.event.source, received_ms), event.event, received_ms)
        except Rejection as rejection:
            return rejection
        return None

    def _refused(self, record: RawRecord, place: Place, evidence: bytes, rejection: Rejection) -> MessageOutcome:
        name = position_id(self._cluster, record.topic, record.partition, record.offset)
        return MessageOutcome(self._platform, place, name, evidence, rejection=rejection)


def _decoded(record: RawRecord) -> Event | Rejection:
    try:
        if record.value is not None and len(record.value) > MAX_MESSAGE_BYTES:
            raise Rejection(Reason.OVERSIZED, f"the payload has more than {MAX_MESSAGE_BYTES} bytes")
        return decode_event(record.headers, record.value)
    except Rejection as rejection:
        return rejection


def _packed(record: RawRecord) -> bytes:
    # The same bytes as those of `Evidence`, which need not be made for it.
    return _encode((record.headers, record.key, record.value))


def _place(at: "RawRecord | UnreadableBatch", offset: int, now_ms: int) -> tuple[Place, int]:
    """Where something stands and when it was received, also in milliseconds."""
    stamped_ms = at.timestamp if 0 <= at.timestamp <= MAX_TIMESTAMP_MS else 0
    # A producer's own timestamp proves nothing: a thief would write one from before the key was revoked.
    received_ms = stamped_ms if at.timestamp_type == LOG_APPEND_TIME else now_ms
    return Place(at.topic, at.partition, offset, _moment(stamped_ms), _moment(received_ms)), received_ms


# Records of a batch share a moment or come a few to a millisecond.
@lru_cache(maxsize=1024)
def _moment(milliseconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(milliseconds=milliseconds)


def digests(event: VerifiedEvent) -> bytes:
    """The record's Verifiability digests: core, then ext where extensions were signed."""
    return event.core_digest + event.ext_digest if event.ext_digest else event.core_digest


def identity_digest(key: bytes, event: VerifiedEvent) -> bytes:
    """What tells a repeat of a message from a contradiction to it.

    Keyed, because a plain digest of a mostly known payment is guessed in a second.

    Args:
        key: The tenant's keyed-digest key of the name `IDENTITY_KEY`.
    """
    return hmac_sha256(key, digests(event))[:IDENTITY_DIGEST_BYTES]
