import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from agents.commits.leaves import LogRef
from agents.commits.outcomes import Owner
from agents.intake.door import Intake
from schemas.events.attributes import MAX_MESSAGE_BYTES
from schemas.identity import message_record_id, position_id
from schemas.reasons import Reason
from security.key_registry import KeyRegistry, SigningKey
from security.signing import Ed25519Signer
from tests.support.installation import BANK_A, BANK_B, CLUSTER, Producer
from tests.support.messages import APPENDED_MS, Inbox, Record, transaction

PLATFORM = Owner(LogRef(1, "platform", "o/platform"), "intake")
OWNERS = {
    ("platform", "intake"): PLATFORM,
    ("bank-a", "payments"): Owner(LogRef(2, "bank-a", "o/bank-a"), "payments"),
    ("bank-b", "payments"): Owner(LogRef(3, "bank-b", "o/bank-b"), "payments"),
}
APPENDED = dt.datetime.fromtimestamp(APPENDED_MS / 1000, dt.UTC)
LATER = APPENDED + dt.timedelta(days=1)
EARLIER = APPENDED - dt.timedelta(days=1)


def key(producer: Producer, **validity: Any) -> SigningKey:
    return SigningKey(
        key_id=producer.key_id,
        algorithm=producer.signer.algorithm,
        public_key=producer.signer.public_key,
        tenant=producer.tenant,
        domain=producer.domain,
        sources=(producer.source,),
        **validity,
    )


def intake(*keys: SigningKey, cluster: str = CLUSTER) -> Intake:
    return Intake(
        cluster,
        KeyRegistry(keys or (key(BANK_A), key(BANK_B))),
        OWNERS,
        PLATFORM,
        lambda tenant, name: f"{tenant}/{name}".encode().ljust(32, b"."),
    )


def signed(name: str = "a", producer: Producer = BANK_A, **members: str) -> Record:
    return producer.put(Inbox(), transaction(name, **members))[0]


def changed(record: Record, header: str, value: bytes | None) -> Record:
    headers = [(name, value if name == header else old) for name, old in record.headers]
    return Record(record.topic, record.partition, record.offset, headers, record.value, record.key)


def test_a_sound_message_belongs_to_its_signer_and_has_its_own_name() -> None:
    for producer in (BANK_A, BANK_B):
        record = signed("a", producer)
        (outcome,) = intake().verify([record])
        assert outcome.rejection is None
        assert outcome.owner is OWNERS[producer.tenant, "payments"]
        assert outcome.message_id == message_record_id(producer.source, "a")
        assert (outcome.place.topic, outcome.place.partition, outcome.place.offset) == ("transactions", 0, 0)
        assert outcome.place.stamped_at == outcome.place.received_at == APPENDED


def test_identity_tells_a_repeat_from_a_contradiction_and_is_keyed_for_each_tenant() -> None:
    first, again, other, elsewhere = intake().verify(
        [signed("a"), signed("a"), signed("a", amount="1"), signed("a", BANK_B)]
    )
    assert first.identity == again.identity
    assert len({first.identity, other.identity, elsewhere.identity}) == 3


# Which reason is right depends on which check sees the change first; it is never a result.
BROKEN = {
    "content-type": {Reason.DIGEST_MISMATCH},
    "ce_id": {Reason.DIGEST_MISMATCH},
    "ce_type": {Reason.DIGEST_MISMATCH},
    "ce_datalevel": {Reason.DIGEST_MISMATCH},
    "ce_specversion": {Reason.MALFORMED},
    "ce_source": {Reason.UNKNOWN_KEY},
    "ce_time": {Reason.DIGEST_MISMATCH, Reason.MALFORMED},
    "ce_dssematerial": {Reason.BAD_SIGNATURE, Reason.MALFORMED, Reason.UNKNOWN_KEY},
    "payload": {Reason.DIGEST_MISMATCH},
}


def with_one_bit_changed(what: str) -> list[Record]:
    """The record with each byte of a header, or of the payload, changed in turn."""
    record = signed()
    value = record.value if what == "payload" else dict(record.headers)[what]
    assert value
    made = []
    for at in range(len(value)):
        flipped = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        if what == "payload":
            made.append(Record("t", 0, 0, record.headers, flipped, record.key))
        else:
            made.append(changed(record, what, flipped))
    return made


def test_every_header_of_a_message_is_looked_at() -> None:
    assert {name for name, _ in signed().headers} | {"payload"} == BROKEN.keys()


@pytest.mark.parametrize("what", BROKEN)
def test_one_changed_bit_anywhere_is_a_rejection_that_claims_nothing(what: str) -> None:
    records = with_one_bit_changed(what)
    (sound,) = intake().verify([signed()])
    for record, outcome in zip(records, intake().verify(records), strict=True):
        if what == "ce_dssematerial" and outcome.rejection is None:
            # The name of the key is a hint that no signature covers: without it the source's keys are tried.
            assert (outcome.identity, outcome.event) == (sound.identity, sound.event)
            continue
        assert outcome.rejection is not None
        assert outcome.rejection.reason in BROKEN[what]
        assert outcome.identity is None
        assert outcome.event is None
        assert outcome.owner is PLATFORM
        assert outcome.message_id == position_id(CLUSTER, record.topic, record.partition, record.offset)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        pytest.param([key(BANK_B)], Reason.UNKNOWN_KEY, id="not-registered"),
        pytest.param([key(BANK_A, revoked_at=EARLIER)], Reason.KEY_REVOKED, id="revoked-before"),
        pytest.param([key(BANK_A, not_after=EARLIER)], Reason.KEY_EXPIRED, id="expired"),
        pytest.param([key(BANK_A, revoked_at=LATER, not_before=EARLIER, not_after=LATER)], None, id="counted-then"),
    ],
)
def test_a_key_counts_at_the_time_of_append(keys: Sequence[SigningKey], reason: Reason | None) -> None:
    (outcome,) = intake(*keys).verify([signed()])
    assert (outcome.rejection.reason if outcome.rejection else None) is reason


def test_a_key_does_not_sign_for_another_bank_s_source() -> None:
    record = Inbox().put(transaction("a"), BANK_B.signer, BANK_A.source)
    (outcome,) = intake().verify([record])
    assert outcome.rejection is not None
    assert outcome.rejection.reason is Reason.UNKNOWN_KEY


def test_a_signature_by_another_key_under_a_known_name_is_bad() -> None:
    record = Inbox().put(transaction("a"), Ed25519Signer(BANK_A.key_id, b"x" * 32), BANK_A.source)
    (outcome,) = intake().verify([record])
    assert outcome.rejection is not None
    assert outcome.rejection.reason is Reason.BAD_SIGNATURE


HOSTILE = {
    "nothing": Record("t", 0, 0, [], None),
    "no-headers": Record("t", 0, 0, [], b"{}"),
    "a-header-without-value": changed(signed(), "ce_id", None),
    "bytes-that-are-no-text": changed(signed(), "ce_id", b"\xff\xfe"),
    "a-nul": changed(signed(), "ce_source", b"urn:\0"),
    "no-time": changed(signed(), "ce_time", b"yesterday"),
    "material-that-is-none": changed(signed(), "ce_dssematerial", b"AAAA"),
    "structured-garbage": Record("t", 0, 0, [("content-type", b"application/cloudevents+json")], b"[" * 100_000),
}


@pytest.mark.parametrize("record", [pytest.param(record, id=name) for name, record in HOSTILE.items()])
def test_a_hostile_envelope_costs_its_neighbours_nothing(record: Record) -> None:
    before, hostile, after = intake().verify([signed("a"), record, signed("b")])
    assert before.rejection is None is after.rejection
    assert hostile.rejection is not None
    assert hostile.rejection.reason is Reason.MALFORMED


def test_an_unsigned_message_is_not_looked_at() -> None:
    record = signed()
    headers = [(name, value) for name, value in record.headers if name != "ce_dssematerial"]
    (outcome,) = intake().verify([Record("t", 0, 0, headers, b"\xff not even JSON")])
    assert outcome.rejection is not None
    assert outcome.rejection.reason is Reason.MISSING_SIGNATURE


def test_a_payload_above_the_limit_is_oversized() -> None:
    record = signed()
    record.value = b"0" * (MAX_MESSAGE_BYTES + 1)
    (outcome,) = intake().verify([record])
    assert outcome.rejection is not None
    assert outcome.rejection.reason is Reason.OVERSIZED


@pytest.mark.parametrize("timestamp", [-1, 0, 253_402_300_800_000, 2**62, 2**63 - 1])
@pytest.mark.parametrize("kind", [0, 1], ids=["the-producer-s", "the-broker-s"])
def test_no_timestamp_stops_a_frame(timestamp: int, kind: int) -> None:
    """Topics keep the producer's time unless they are told otherwise."""
    record = signed()
    record.timestamp, record.timestamp_type = timestamp, kind
    (outcome,) = intake().verify([record])
    assert outcome.rejection is None
    assert outcome.place.stamped_at == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("kind", "reason"), [(0, Reason.KEY_REVOKED), (1, None)], ids=["the-producer-s", "the-broker-s"]
)
def test_only_the_broker_s_own_time_says_when_a_record_was_there(kind: int, reason: Reason | None) -> None:
    """Who stole a key that was then revoked writes any time into the record."""
    record = signed()
    record.timestamp_type = kind
    (outcome,) = intake(key(BANK_A, revoked_at=LATER)).verify([record])
    assert (outcome.rejection.reason if outcome.rejection else None) is reason


def test_the_place_names_what_cannot_be_verified_differently_for_each_cluster() -> None:
    records = [Record("t", partition, offset, [], b"") for partition in range(2) for offset in range(2)]
    names = {outcome.message_id for outcome in intake().verify(records)}
    assert len(names | {outcome.message_id for outcome in intake(cluster="other").verify(records)}) == 8
