import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.receipt import (
    MAX_INDEX,
    MAX_ITEM,
    DisclosedField,
    MalformedReceipt,
    ProducerMessage,
    Receipt,
    decode_receipt,
    encode_receipt,
)

texts = st.text(st.characters(codec="utf-8"), max_size=40)
salts = st.binary(min_size=16, max_size=16)
blobs = st.binary(max_size=40)
fields = st.dictionaries(texts, st.builds(DisclosedField, value=texts, salt=salts, tier=st.integers(1, 5)), max_size=4)
messages = st.builds(
    ProducerMessage,
    headers=st.lists(st.tuples(texts, st.none() | blobs), max_size=4).map(tuple),
    key=st.none() | blobs,
    value=st.none() | blobs,
    digest_salt=salts,
    signers=st.lists(st.dictionaries(texts, texts, max_size=4), min_size=1, max_size=8).map(tuple),
    seal_salt=st.none() | salts,
    item=st.none() | st.integers(0, MAX_ITEM),
)
receipts = st.builds(
    Receipt,
    origin=texts,
    index=st.integers(0, MAX_INDEX),
    leaf=texts,
    path=st.lists(st.binary(min_size=32, max_size=32), max_size=64).map(tuple),
    checkpoint=texts,
    fields=fields,
    message=st.none() | messages,
)


@given(receipts)
def test_decoding_inverts_encoding(receipt: Receipt) -> None:
    assert decode_receipt(encode_receipt(receipt)) == receipt


@given(receipts, st.data())
def test_a_receipt_cut_off_anywhere_is_none(receipt: Receipt, data: st.DataObject) -> None:
    encoded = encode_receipt(receipt).rstrip()
    with pytest.raises(MalformedReceipt):
        decode_receipt(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_anything_else_is_refused_as_no_receipt(data: bytes) -> None:
    with pytest.raises(MalformedReceipt):
        decode_receipt(data)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(MalformedReceipt):
        decode_receipt(b"[" * 1_000_000)


@pytest.mark.parametrize(
    "change",
    [{"index": -1}, {"index": MAX_INDEX + 1}, {"path": (b"short",)}, {"leaf": "x" * 65_536}, {"origin": "\ud800"}],
    ids=["negative", "too-large", "short-hash", "long-leaf", "lone-surrogate"],
)
def test_what_nobody_could_read_is_not_written(change: dict[str, object]) -> None:
    sound: dict[str, object] = {
        "origin": "o", "index": 0, "leaf": "{}", "path": (), "checkpoint": "c", "fields": {}
    }  # fmt: skip
    encode_receipt(Receipt(**sound))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="can't be written"):
        encode_receipt(Receipt(**sound | change))  # type: ignore[arg-type]


def test_no_text_of_the_file_is_repeated() -> None:
    members = json.loads(encode_receipt(Receipt(origin="o", index=0, leaf="{}", path=(), checkpoint="c", fields={})))
    for place in (members, members["fields"]):
        place["salary\nof Zoé"] = 1
        with pytest.raises(MalformedReceipt) as caught:
            decode_receipt(json.dumps(members).encode())
        assert "Zoé" not in str(caught.value)
        del place["salary\nof Zoé"]
