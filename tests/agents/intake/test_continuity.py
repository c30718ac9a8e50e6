"""Whether what a broker holds is the log that a stored position belongs to."""

import uuid
from dataclasses import replace

import pytest

from agents.intake.continuity import Why, judge, last_offset, record_digest
from streams.frames import FetchedRecord, Holding
from streams.storage.watermarks import Mark, StoredPosition

KEY = bytes(32)
PLACE = ("transactions", 3)
TOPIC_ID, OTHER_ID = uuid.UUID(int=1), uuid.UUID(int=2)


def record(offset: int, value: bytes = b"value") -> FetchedRecord:
    return FetchedRecord("transactions", 3, offset, 1, 0, b"key", value, (("h", None),))


STORED = StoredPosition(0, 500, Mark(TOPIC_ID, 4, 497, record_digest(KEY, record(497))))
HOLDING = Holding(0, 900, TOPIC_ID, record(497))


@pytest.mark.parametrize(
    ("stored", "holding", "why"),
    [
        pytest.param(STORED, HOLDING, None, id="the-same"),
        pytest.param(None, HOLDING, None, id="nothing-read-yet"),
        pytest.param(STORED, replace(HOLDING, start=500, end=500, record=None), None, id="all-that-was-read-expired"),
        pytest.param(STORED, replace(HOLDING, record=None), None, id="last-record-compacted-away"),
        pytest.param(STORED, replace(HOLDING, topic_id=None), None, id="broker-tells-no-topic-id"),
        pytest.param(replace(STORED, mark=Mark()), HOLDING, None, id="nothing-known-but-the-offset"),
        pytest.param(
            replace(STORED, mark=Mark(last_digest=record_digest(KEY, record(499)))),
            replace(HOLDING, record=record(499)),
            None,
            id="step-of-the-first-version",
        ),
        pytest.param(STORED, replace(HOLDING, topic_id=OTHER_ID), Why.RECREATED, id="another-topic-filled-alike"),
        pytest.param(STORED, replace(HOLDING, end=499), Why.TRUNCATED, id="ends-before"),
        pytest.param(STORED, replace(HOLDING, end=0, record=None), Why.TRUNCATED, id="empty"),
        pytest.param(STORED, replace(HOLDING, record=record(497, b"other")), Why.REWRITTEN, id="another-last-record"),
        pytest.param(
            replace(STORED, mark=STORED.mark._replace(topic_id=None)),
            replace(HOLDING, record=record(497, b"other")),
            Why.REWRITTEN,
            id="filled-again-without-topic-ids",
        ),
        pytest.param(
            replace(STORED, mark=Mark(last_digest=record_digest(KEY, record(499)))),
            replace(HOLDING, record=record(499, b"other")),
            Why.REWRITTEN,
            id="step-of-the-first-version-filled-again",
        ),
        pytest.param(STORED, replace(HOLDING, start=501, record=None), Why.EXPIRED, id="unread-records-are-gone"),
        pytest.param(STORED, None, Why.UNREACHABLE, id="no-answer"),
        pytest.param(None, None, Why.UNREACHABLE, id="no-answer-nothing-read-yet"),
    ],
)
def test_only_what_is_proven_stops_a_partition(
    stored: StoredPosition | None, holding: Holding | None, why: Why | None
) -> None:
    refusal = judge(KEY, PLACE, stored, holding)
    assert (refusal.why if refusal else None) is why


def test_a_refusal_names_place_stored_and_found_and_the_way_out_and_no_digest() -> None:
    refusal = judge(KEY, PLACE, STORED, replace(HOLDING, topic_id=OTHER_ID))
    text = str(refusal)
    for part in (
        "transactions[3]",
        "deleted and created again",
        f"position 500, topic id {TOPIC_ID}, the last record at 497, leader epoch 4",
        f"offsets 0 to 900, topic id {OTHER_ID}",
        "sealstream topics progress transactions",
        "sealstream topics resume transactions --partition 3 --at",
    ):
        assert part in text
    assert STORED.mark.last_digest is not None
    assert STORED.mark.last_digest.hex() not in text


def test_a_digest_is_of_one_record_at_one_place_under_one_key() -> None:
    plain = record_digest(KEY, record(5))
    assert plain == record_digest(KEY, record(5))
    others = {record_digest(KEY, record(6)), record_digest(KEY, record(5, b"")), record_digest(b"k", record(5))}
    assert len({plain} | others) == 4


@pytest.mark.parametrize(
    ("stored", "offset"),
    [
        pytest.param(None, 0, id="nothing-read"),
        pytest.param(STORED, 497, id="told"),
        pytest.param(replace(STORED, mark=Mark()), 499, id="not-told"),
        pytest.param(StoredPosition(1, 0, Mark()), 0, id="begun-again"),
    ],
)
def test_the_record_asked_for_is_the_one_before_the_position_unless_told(
    stored: StoredPosition | None, offset: int
) -> None:
    assert last_offset(stored) == offset
