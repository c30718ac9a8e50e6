import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from schemas.leaf import (
    LEAF_VERSION,
    MAX_LEAF_BYTES,
    AccessChange,
    IndexKeyChange,
    KeyChange,
    Leaf,
    ModelChange,
    NewLeaf,
    Span,
    TierKeyChange,
    decode_leaf,
    encode_leaf,
)
from schemas.log_change import LogChange

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
OFFSETS = st.integers(-1, 2**53 - 1)
SPANS = st.builds(Span, start=OFFSETS, partition=st.integers(0, 2**31 - 1), end=OFFSETS, topic=TEXT)
TEXTS = st.lists(TEXT, max_size=2).map(tuple)
CHANGES = st.builds(
    KeyChange, change=TEXT, sources=TEXTS, algorithms=TEXTS, expiry=st.booleans(), max_age_ms=OFFSETS, revoked=TEXT
)
TIER_KEY_CHANGES = st.builds(
    TierKeyChange, change=TEXT, domain=TEXT, epoch=OFFSETS, id=TEXT, kek=TEXT, tier=OFFSETS, wrapped=st.none() | TEXT
)
INDEX_KEY_CHANGES = st.builds(IndexKeyChange, change=TEXT, field=TEXT, version=OFFSETS)
MODEL_CHANGES = st.builds(
    ModelChange,
    card=TEXT,
    change=TEXT,
    digest=TEXT,
    metrics=TEXT,
    name=TEXT,
    shadow=st.booleans(),
    share=OFFSETS,
    stage=TEXT,
    version=TEXT,
    follows=st.none() | TEXT,
    loss=st.none() | TEXT,
    reason=st.none() | TEXT,
)
ACCESS_CHANGES = st.builds(
    AccessChange,
    assertion=st.none() | TEXT,
    at=st.none() | TEXT,
    change=TEXT,
    digest=TEXT,
    duties=TEXTS,
    jwk=st.none() | st.dictionaries(NAMES, TEXT, max_size=4).map(lambda found: dict(sorted(found.items()))),
    key=TEXT,
    level=OFFSETS,
    roles=TEXTS,
    step=OFFSETS,
    tier=OFFSETS,
    to=st.none() | TEXT,
    version=OFFSETS,
)
LOG_CHANGES = st.builds(
    LogChange,
    change=TEXT,
    key=OFFSETS,
    lost=OFFSETS,
    note=st.none() | TEXT,
    origin=TEXT,
    root=st.none() | TEXT,
    size=st.none() | OFFSETS,
    vkey=st.none() | TEXT,
)
OTHERS = {
    "log",
    "v",
    "access",
    "commit",
    "kind",
    "time",
    "fields",
    "count",
    "span",
    "key",
    "tier_key",
    "index_key",
    "model_change",
}
OPTIONAL = [name for name in Leaf.__struct_fields__ if name not in OTHERS]


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    members: dict[str, Any] = {name: draw(st.none() | TEXT) for name in OPTIONAL}
    fields = draw(st.none() | st.dictionaries(NAMES, TEXT, max_size=4))
    return Leaf(
        v=LEAF_VERSION,
        commit=draw(st.integers(0, 2**53 - 1)),
        kind=draw(TEXT),
        time=draw(TEXT),
        count=draw(st.none() | st.integers(0, 2**53 - 1)),
        fields=dict(sorted(fields.items())) if fields is not None else None,
        access=draw(st.none() | ACCESS_CHANGES),
        log=draw(st.none() | LOG_CHANGES),
        span=draw(st.none() | SPANS),
        key=draw(st.none() | CHANGES),
        tier_key=draw(st.none() | TIER_KEY_CHANGES),
        index_key=draw(st.none() | INDEX_KEY_CHANGES),
        model_change=draw(st.none() | MODEL_CHANGES),
        **members,
    )


def jcs(value: object) -> bytes:
    """RFC 8785 for values without floats, whose names are ASCII: what the standard library writes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@given(leaves())
def test_a_leaf_is_written_in_the_form_of_rfc_8785_and_read_back(leaf: Leaf) -> None:
    body = encode_leaf(leaf)
    assert body == jcs(json.loads(body))
    assert decode_leaf(body) == leaf


@given(
    st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"]), max_size=8), st.binary(max_size=40)),
    st.none() | st.binary(max_size=40),
    st.none() | st.binary(max_size=40) | TEXT,
)
def test_a_new_leaf_is_written_as_the_leaf_with_its_commitments_in_base64(
    fields: dict[str, bytes], digest: bytes | None, label: bytes | str | None
) -> None:
    required: dict[str, Any] = {"v": LEAF_VERSION, "commit": 1, "kind": "result", "time": "t"}
    new = NewLeaf(**required, fields=fields, digest=digest, label=label)
    said = {name: base64.b64encode(fields[name]).decode() for name in sorted(fields)}
    leaf = minimal(
        fields=said,
        digest=digest if digest is None else base64.b64encode(digest).decode(),
        label=base64.b64encode(label).decode() if isinstance(label, bytes) else label,
    )
    assert encode_leaf(new) == encode_leaf(leaf)
    assert list(json.loads(encode_leaf(new))["fields"]) == sorted(fields)


def test_members_are_declared_in_the_order_they_are_written_in() -> None:
    assert list(Leaf.__struct_fields__) == sorted(Leaf.__struct_fields__)
    assert NewLeaf.__struct_fields__ == Leaf.__struct_fields__


def minimal(**members: Any) -> Leaf:
    required: dict[str, Any] = {"v": LEAF_VERSION, "commit": 1, "kind": "result", "time": "t"}
    return Leaf(**(required | members))


def test_what_is_absent_is_left_out_and_the_version_never_is() -> None:
    assert encode_leaf(minimal()) == b'{"commit":1,"kind":"result","time":"t","v":1}'
    assert b'"count":0' in encode_leaf(minimal(count=0))


def test_a_leaf_that_no_log_entry_can_hold_is_an_error() -> None:
    room = MAX_LEAF_BYTES - len(encode_leaf(minimal(source="")))
    assert len(encode_leaf(minimal(source="x" * (room)))) == MAX_LEAF_BYTES
    with pytest.raises(ValueError, match="65535"):
        encode_leaf(minimal(source="x" * (room + 1)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b'{"commit":1,"kind":"result","time":"t"}', id="no-version"),
        pytest.param(b'{"commit":1,"kind":"result","time":"t","v":2}', id="a-later-version"),
        pytest.param(b'{"commit":"1","kind":"result","time":"t","v":1}', id="a-text-for-a-number"),
        pytest.param(b'{"commit":1.5,"kind":"result","time":"t","v":1}', id="a-float"),
        pytest.param(b'{"commit":1,"kind":"result","time":"t","v":1', id="cut-off"),
        pytest.param(b"\xff", id="no-text"),
        pytest.param(b'{"commit":1,"kind":"\xa8","time":"t","v":1}', id="a-member-is-no-text"),
        pytest.param(b'{"x":' * 20_000, id="deep"),
    ],
)
def test_what_is_no_leaf_is_refused(body: bytes) -> None:
    with pytest.raises(VerificationFailed):
        decode_leaf(body)


def test_the_encoder_and_the_reader_agree_with_msgspec_on_text() -> None:
    tricky = '\u2028 \U0001f600 " \\ / \x1f é'
    assert decode_leaf(encode_leaf(minimal(source=tricky))).source == tricky
    assert msgspec.json.decode(encode_leaf(minimal(source=tricky)))["source"] == tricky
