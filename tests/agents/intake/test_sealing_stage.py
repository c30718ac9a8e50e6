"""The sealing stage, seen through a whole pipeline: what it seals opens again, under the right keys, and only there."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.inference.engine import Engine
from security.field_binding import EVIDENCE_FIELD
from tests.support.installation import BANK_A, BANK_B, Installation, Worker, installed
from tests.support.messages import OWNER, Inbox, entry, statement, transaction
from tests.support.records import registered_record

SCHEMA = "urn:schema:case"
CATALOGUE: list[dict[str, Any]] = [
    {"record_type": SCHEMA, "field": "account", "tier": 3, "search": "account"},
    {"record_type": SCHEMA, "field": "person", "tier": 3, "search": "name"},
    {"record_type": SCHEMA, "field": "number", "tier": 2, "search": "reference"},
    {"record_type": SCHEMA, "field": "secret", "tier": 5},
]


async def test_a_frame_of_several_tenants_is_sealed_under_each_one_s_own_keys(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a1"), transaction("a2"))
    BANK_B.put(inbox, transaction("b1"))
    inbox.put_raw([], b"nobody's")
    (frame,) = await worker.process(inbox.take())
    passes = {message.owner.log.tenant: message.pass_id for message in frame.messages}
    assert passes.keys() == {"bank-a", "bank-b", "platform"}
    assert len(set(passes.values())) == 3
    assert {(key.tenant, key.pass_id) for key in frame.data_keys} == set(passes.items())
    assert {key.tier for key in frame.data_keys if key.tenant == "bank-a"} == {2, 3}
    assert {key.tier for key in frame.data_keys if key.tenant == "platform"} == {4}, "rejected evidence is tier 4"


async def test_no_pass_is_used_for_two_frames(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"a{n}") for n in range(6)))
    frames = [frame for n in range(0, 6, 2) for frame in await worker.process(inbox.batch(n, n + 2))]
    again = await worker.process(inbox.batch(0, 2))
    passes = [frame.messages[0].pass_id for frame in (*frames, *again)]
    assert len(set(passes)) == len(passes)


async def test_equal_values_are_sealed_and_committed_to_differently_but_found_by_equal_terms(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"))
    (frame,) = await worker.process(inbox.take())
    first, second = (message.items[0] for message in frame.messages)
    assert first.sealed is not None
    assert second.sealed is not None
    assert not set(first.sealed.commitments.values()) & set(second.sealed.commitments.values())
    assert dict(first.terms)["account"] == dict(second.terms)["account"]
    assert dict(first.terms)["end_to_end_id"] != dict(second.terms)["end_to_end_id"]


async def test_nothing_of_a_sealed_item_stays_open(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), statement("s", [entry("R1")]))
    (frame,) = await worker.process(inbox.take())
    for message in frame.messages:
        for item in message.items:
            assert item.values == []
            assert item.sealed is not None
            assert OWNER.iban.encode() not in item.sealed.blob
        assert message.sealed_evidence is not None
        assert OWNER.iban.encode() not in message.sealed_evidence.blob
        assert message.sealed_evidence.commitments.keys() == {EVIDENCE_FIELD}


async def test_a_registered_record_is_sealed_by_its_schema_s_tiers(dsn: str, tmp_path: Path, engine: Engine) -> None:
    async with installed(dsn, tmp_path / "keys", engine=engine, catalogue=CATALOGUE) as platform:
        worker = await platform.worker()
        inbox = Inbox("records")
        registered_record(inbox, "r", SCHEMA, {"number": "N-1", "secret": {"deep": [1, 2]}})
        await worker.commit(inbox.take())
        (sealed,) = await platform.rows("SELECT sealed FROM results")
        assert {name: tier for name, tier, _ in msgspec.msgpack.decode(sealed["sealed"])[2]} == {
            "number": 2,
            "secret": 5,
        }
        (evidence,) = await platform.rows("SELECT evidence FROM messages")
        # The message's own bytes hold the highest field.
        assert [tier for _, tier, _ in msgspec.msgpack.decode(evidence["evidence"])[2]] == [5]
        (view,) = await (await platform.reader(5)).list()
        assert view.fields["secret"].value == b'{"deep":[1,2]}'
        (view,) = await (await platform.reader(4)).list()
        assert (view.fields["secret"].state, view.fields["number"].state) == ("sealed", "open")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b'{"account":"DE89 3704 0044 0532 0130 00","person":"\\u5f20\\u4f1f","number":"N/1"}', id="escaped"
        ),
        pytest.param('{"account":"DE89370400440532013000","person":"张伟","number":"N\\/1"}'.encode(), id="plain"),
    ],
)
async def test_members_of_registered_records_are_found_by_what_they_say_not_by_how_it_is_written(
    dsn: str, tmp_path: Path, engine: Engine, data: bytes
) -> None:
    async with installed(dsn, tmp_path / "keys", engine=engine, catalogue=CATALOGUE) as platform:
        worker = await platform.worker()
        inbox = Inbox("records")
        registered_record(inbox, "r", SCHEMA, data)
        await worker.commit(inbox.take())
        reader = await platform.reader(3)
        assert await reader.search("account", "DE89370400440532013000")
        assert await reader.search("person", "张伟")
        assert await reader.search("number", "N/1")


@pytest.mark.parametrize("value", ["1", "null", "true", "[]", '""', '{"a":1}'])
async def test_a_searchable_member_that_is_no_text_is_kept(
    dsn: str, tmp_path: Path, engine: Engine, value: str
) -> None:
    async with installed(dsn, tmp_path / "keys", engine=engine, catalogue=CATALOGUE) as platform:
        worker = await platform.worker()
        inbox = Inbox("records")
        registered_record(inbox, "r", SCHEMA, f'{{"account":{value}}}'.encode())
        await worker.commit(inbox.take())
        assert [leaf["kind"] for leaf in await platform.leaves()] == ["result"]
        await platform.sequence()
        assert (await platform.audit()).ok
