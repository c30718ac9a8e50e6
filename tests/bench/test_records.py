from pathlib import Path
from statistics import mean

import msgspec

from bench.records import BATCH, SOURCE, Payload, payloads, signed_records
from schemas.events import decode_event
from schemas.transaction_json import decode_transaction
from sealstream.producing.producer_keys import make_private_key
from security.batch_material import decode_material


def test_brief_payloads_have_three_hundred_bytes_and_are_transactions() -> None:
    items = list(payloads(500))
    assert 270 < mean(len(item.data) for item in items) < 330
    for item in items:
        decode_transaction(item.data)


def test_full_payloads_say_more_of_the_same_transactions() -> None:
    for brief, full in zip(payloads(20), payloads(20, Payload.FULL), strict=True):
        said = msgspec.json.decode(full.data)
        assert brief.id == full.id
        assert msgspec.json.decode(brief.data).items() < said.items()


def test_every_record_is_signed_and_different(tmp_path: Path) -> None:
    records = list(signed_records(50, make_private_key(tmp_path / "keys", "bench")))
    events = [decode_event(each.headers, each.value) for each in records]
    assert {event.source for event in events} == {SOURCE}
    assert len({event.id for event in events}) == 50
    assert all(event.dssematerial for event in events)


def test_attested_records_are_the_brief_ones_with_a_signature_for_many(tmp_path: Path) -> None:
    key = make_private_key(tmp_path / "keys", "bench")
    records = list(signed_records(BATCH + 3, key, Payload.ATTESTED))
    events = [decode_event(each.headers, each.value) for each in records]
    assert [event.data for event in events] == [item.data for item in payloads(BATCH + 3)]
    assert all(event.batchmaterial and not event.dssematerial for event in events)
    materials = [decode_material(event.batchmaterial or "")[0] for event in events]
    assert [each.index for each in materials] == [*range(BATCH), 0, 1, 2]
    assert len({bytes(each.statement) for each in materials}) == 2
