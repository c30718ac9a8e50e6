import base64
import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejection
from schemas.events import (
    AttributeType,
    Event,
    binary_headers,
    canonical_bytes,
    canonical_text,
    canonical_timestamp,
    decode_event,
)
from schemas.reasons import Reason
from tests.shared_data import shared

STRUCTURED = ("content-type", b"application/cloudevents+json; charset=UTF-8")
REQUIRED = {"ce_specversion": b"1.0", "ce_id": b"A-1", "ce_source": b"/bank/core", "ce_type": b"io.example.v1"}
JSON_REQUIRED = {"specversion": "1.0", "id": "A-1", "source": "/bank/core", "type": "io.example.v1"}


def headers(**changes: bytes | None) -> list[tuple[str, bytes | None]]:
    return [*((REQUIRED | changes).items())]


def structured(text: str | bytes, *more: tuple[str, bytes]) -> Event:
    return decode_event([STRUCTURED, *more], text.encode() if isinstance(text, str) else text)


def structured_json(**members: object) -> Event:
    return structured(json.dumps(JSON_REQUIRED | members))


def reason_of(call, *args) -> Reason:
    with pytest.raises(Rejection) as caught:
        call(*args)
    return caught.value.reason


def test_binary_mode_maps_headers_to_attributes_and_keeps_the_value():
    event = decode_event(
        [
            *headers(ce_time=b"2026-01-02T03:04:05.678Z", ce_subject=b"entry", ce_dataschema=b"urn:s", ce_foo=b"bar"),
            ("content-type", b"application/json; charset=utf-8"),
            ("ce_dssematerial", b"e30="),
            ("ce_batchmaterial", b"W10="),
            ("other", b"\xff\x00"),
            ("empty", None),
        ],
        b'{"a": 1}',
    )
    assert event == Event(
        id="A-1",
        source="/bank/core",
        type="io.example.v1",
        datacontenttype="application/json; charset=utf-8",
        dataschema="urn:s",
        subject="entry",
        time="2026-01-02T03:04:05.678Z",
        data=b'{"a": 1}',
        extensions={"foo": "bar"},
        dssematerial="e30=",
        batchmaterial="W10=",
    )


def test_names_of_headers_are_read_in_any_case():
    event = decode_event(
        [("CE_SpecVersion", b"1.0"), ("Ce_Id", b"1"), ("ce_SOURCE", b"s"), ("ce_type", b"t"), ("Content-Type", b"a/b")],
        None,
    )
    assert (event.id, event.source, event.datacontenttype, event.data) == ("1", "s", "a/b", None)


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param([("ce_id", b"A-1")], id="same-value"),
        pytest.param([("CE_ID", b"B")], id="case-variant"),
        pytest.param([("ce_foo", b"1"), ("ce_foo", b"2")], id="extension"),
        pytest.param([("ce_foo", b"1"), ("ce_Foo", b"1")], id="extension-case-variant"),
        pytest.param([("content-type", b"a/b"), ("Content-Type", b"a/b")], id="content-type"),
        pytest.param([("ce_subject", b""), ("ce_subject", b"x")], id="empty-first"),
        pytest.param([("content-type", b"text/plain"), STRUCTURED], id="both-modes"),
        pytest.param([("ce_dssematerial", b"a"), ("ce_dssematerial", b"b")], id="material"),
    ],
)
def test_refuses_an_attribute_given_twice(extra):
    assert reason_of(decode_event, [*headers(), *extra], b"") is Reason.MALFORMED


def test_refuses_repeated_hints_in_structured_mode_too():
    text = json.dumps(JSON_REQUIRED)
    assert structured(text, ("ce_id", b"hint")).id == "A-1"
    assert reason_of(structured, text, ("ce_id", b"hint"), ("ce_id", b"hint")) is Reason.MALFORMED


@pytest.mark.parametrize("name", ["a", "7", "a" * 21, "a" * 64])
def test_names_longer_than_the_standard_advises_are_names(name):
    assert decode_event(headers(**{f"ce_{name}": b"x"}), b"").extensions == {name: "x"}
    assert structured(json.dumps(JSON_REQUIRED | {name: "x"})).extensions == {name: "x"}


@pytest.mark.parametrize("name", ["id", "source", "specversion", "type"])
@pytest.mark.parametrize("value", [pytest.param(None, id="missing"), pytest.param(b"", id="empty")])
def test_refuses_what_lacks_a_required_attribute(name, value):
    fields = dict(REQUIRED)
    del fields[f"ce_{name}"]
    if value is not None:
        fields[f"ce_{name}"] = value
    assert reason_of(decode_event, [*fields.items()], b"x") is Reason.MALFORMED
    members = {key: text for key, text in JSON_REQUIRED.items() if key != name}
    if value is not None:
        members[name] = ""
    assert reason_of(structured, json.dumps(members)) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("ce_id", b"a\0b", id="nul-in-id"),
        pytest.param("ce_source", b"a\0", id="nul-in-source"),
        pytest.param("ce_subject", b"a\nb", id="line-break"),
        pytest.param("ce_subject", b"a\x7f", id="delete"),
        pytest.param("ce_subject", "a\x85".encode(), id="c1-control"),
        pytest.param("ce_subject", "\ufdd0".encode(), id="noncharacter"),
        pytest.param("ce_subject", "\U0010ffff".encode(), id="last-noncharacter"),
        pytest.param("ce_subject", b"\xed\xa0\x80", id="surrogate"),
        pytest.param("ce_subject", b"\xff", id="not-utf-8"),
        pytest.param("ce_subject", None, id="null-header"),
        pytest.param("ce_specversion", b"0.3", id="old-version"),
        pytest.param("ce_specversion", b"1.0.2", id="other-version"),
        pytest.param("ce_Foo_Bar", b"x", id="name-with-underscore"),
        pytest.param("ce_", b"x", id="empty-name"),
        pytest.param(f"ce_{'a' * 65}", b"x", id="name-of-65"),
        pytest.param("ce_data", b"x", id="data-as-attribute"),
        pytest.param("ce_datacontenttype", b"a/b", id="second-content-type"),
        pytest.param("ce_\u212aey", b"x", id="kelvin-sign"),
        pytest.param("ce_time", b"", id="empty-time"),
        pytest.param("ce_time", b"2026-01-02", id="date-only"),
        pytest.param("ce_recordedtime", b"yesterday", id="known-timestamp-extension"),
    ],
)
def test_refuses_malformed_attributes(name, value):
    with pytest.raises(Rejection) as caught:
        decode_event([*headers(), *[(name, value)]] if name not in REQUIRED else headers(**{name: value}), b"")
    assert caught.value.reason is Reason.MALFORMED


def test_takes_text_in_any_script():
    event = decode_event(headers(ce_subject="企业 é 🏦\u200b".encode()), b"")
    assert event.subject == "企业 é 🏦\u200b"


@pytest.mark.parametrize(
    ("name", "limit"),
    [("id", 1024), ("source", 1024), ("type", 4096), ("foo", 4096), ("subject", 4096), ("dssematerial", 65536)],
)
def test_bounds_the_length_of_attributes_in_bytes(name, limit):
    decode_event(headers(**{f"ce_{name}": b"a" * limit}), b"")
    assert reason_of(decode_event, headers(**{f"ce_{name}": b"a" * (limit + 1)}), b"") is Reason.OVERSIZED
    wide = "é" * (limit // 2 + 1)
    assert reason_of(decode_event, headers(**{f"ce_{name}": wide.encode()}), b"") is Reason.OVERSIZED
    assert reason_of(structured, json.dumps(JSON_REQUIRED | {name: wide})) is Reason.OVERSIZED


def test_bounds_the_number_of_extensions():
    extensions = {f"ce_x{n}": b"1" for n in range(64)}
    assert len(decode_event(headers(**extensions), b"").extensions) == 64
    assert reason_of(decode_event, headers(**extensions, ce_y=b"1"), b"") is Reason.OVERSIZED
    members = {f"x{n}": 1 for n in range(65)}
    assert reason_of(structured, json.dumps(JSON_REQUIRED | members)) is Reason.OVERSIZED
    assert reason_of(structured, json.dumps(JSON_REQUIRED | {f"x{n}": 1 for n in range(9999)})) is Reason.OVERSIZED


def test_an_optional_attribute_that_is_empty_reads_as_absent():
    event = decode_event(headers(ce_subject=b"", ce_dataschema=b"", ce_foo=b"", ce_dssematerial=b""), b"")
    assert (event.subject, event.dataschema, event.extensions, event.dssematerial) == (None, None, {}, None)


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(b"application/cloudevents", id="no-format"),
        pytest.param(b"application/cloudevents+avro", id="avro"),
        pytest.param(b"application/cloudevents-batch+json", id="batch"),
        pytest.param(b"APPLICATION/CLOUDEVENTS+protobuf", id="upper-case"),
        pytest.param(b"application/cloudevents+jsonx", id="longer"),
        pytest.param(b"application/cloudevents+json; charset=utf-16", id="other-charset"),
    ],
)
def test_refuses_structured_events_in_other_formats(content_type):
    text = json.dumps(JSON_REQUIRED).encode()
    assert reason_of(decode_event, [*headers(), ("content-type", content_type)], text) is Reason.UNSUPPORTED_TYPE


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b'Application/CloudEvents+JSON ;Charset="utf-8"',
        b"application/cloudevents+json;x=y",
    ],
)
def test_reads_structured_json_however_the_media_type_is_written(content_type):
    assert decode_event([("content-type", content_type)], json.dumps(JSON_REQUIRED).encode()).id == "A-1"


def test_structured_mode_keeps_the_exact_bytes_of_the_data():
    text = (
        b'{"specversion":"1.0","id":"1","source":"s","type":"t",\n "data" :\t{"b" : 1.50,  "a":"\\u00e9"} , "x":true}'
    )
    event = structured(text)
    assert event.data == b'{"b" : 1.50,  "a":"\\u00e9"}'
    assert event.extensions == {"x": True}


@pytest.mark.parametrize(
    ("members", "data"),
    [
        pytest.param({}, None, id="absent"),
        pytest.param({"data": None}, b"null", id="explicit-null"),
        pytest.param({"data": "a\n"}, b'"a\\n"', id="string-under-no-type-is-json"),
        pytest.param({"data": "a", "datacontenttype": "Text/JSON; charset=utf-8"}, b'"a"', id="json-subtype"),
        pytest.param({"data": [1], "datacontenttype": "application/vnd.x+json"}, b"[1]", id="json-suffix"),
        pytest.param({"data": "<a>é\n", "datacontenttype": "application/xml"}, "<a>é\n".encode(), id="text"),
        pytest.param({"data": "", "datacontenttype": "text/plain"}, b"", id="empty-text"),
        pytest.param({"data_base64": "8J+koQ=="}, b"\xf0\x9f\xa4\xa1", id="base64"),
        pytest.param({"data_base64": ""}, b"", id="empty-base64"),
        pytest.param({"data_base64": "e30=", "datacontenttype": "application/json"}, b"{}", id="base64-of-json"),
    ],
)
def test_structured_mode_gives_the_bytes_that_are_signed(members, data):
    assert structured_json(**members).data == data


def test_null_attributes_are_absent_and_scalars_keep_their_type():
    event = structured_json(subject=None, time=None, foo=None, flag=False, count=-7, name="x", datalevel=3)
    assert event.subject is event.time is None
    assert event.extensions == {"flag": False, "count": -7, "name": "x", "datalevel": "3"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param(b"{} {}", id="two-values"),
        pytest.param(b'{"id":"1",}', id="trailing-comma"),
        pytest.param(b'{"id":"\xff"}', id="not-utf-8"),
        pytest.param(b'{"\xff":"1"}', id="name-not-utf-8"),
        pytest.param(b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}", id="deep-array"),
        pytest.param(b'{"data":' * 100_000 + b"1" + b"}" * 100_000, id="deep-object"),
    ],
)
def test_refuses_what_is_no_json_object(text):
    assert reason_of(structured, text) is Reason.MALFORMED


def test_refuses_a_structured_event_without_a_value():
    assert reason_of(decode_event, [STRUCTURED], None) is Reason.MALFORMED


@pytest.mark.parametrize(
    "members",
    [
        pytest.param('"data":1,"data_base64":"MQ=="', id="both-kinds-of-data"),
        pytest.param('"data":null,"data_base64":"MQ=="', id="null-data-and-base64"),
        pytest.param('"data_base64":"MQ"', id="unpadded"),
        pytest.param('"data_base64":"MQ==\\n"', id="line-break-in-base64"),
        pytest.param('"data_base64":"_-=="', id="url-safe-base64"),
        pytest.param('"data_base64":1', id="base64-no-string"),
        pytest.param('"data":{"a":1},"datacontenttype":"application/xml"', id="object-under-xml"),
        pytest.param('"data":"\\ud800","datacontenttype":"text/plain"', id="surrogate-in-data"),
        pytest.param('"foo":{"a":1}', id="object-attribute"),
        pytest.param('"foo":[1]', id="array-attribute"),
        pytest.param('"foo":1.5', id="fraction"),
        pytest.param('"foo":1.0', id="whole-fraction"),
        pytest.param('"foo":1e2', id="exponent"),
        pytest.param('"foo":-0', id="minus-zero"),
        pytest.param('"foo":2147483648', id="beyond-32-bits"),
        pytest.param('"foo":' + "9" * 5000, id="huge-integer"),
        pytest.param('"foo":"\\u0000"', id="nul"),
        pytest.param('"foo":"\\udead"', id="lone-surrogate"),
        pytest.param('"Foo":1', id="upper-case-name"),
        pytest.param('"foo_bar":1', id="underscore"),
        pytest.param('"time":5', id="time-as-number"),
        pytest.param('"subject":true', id="subject-as-boolean"),
        pytest.param('"dssematerial":1', id="material-as-number"),
        pytest.param('"recordedtime":20200101', id="timestamp-as-number"),
    ],
)
def test_refuses_malformed_members(members):
    base = json.dumps(JSON_REQUIRED)[:-1]
    assert reason_of(structured, f"{base},{members}}}") is Reason.MALFORMED


@pytest.mark.parametrize(
    "members",
    [
        pytest.param('"foo":"a","foo":"b"', id="other-value"),
        pytest.param('"foo":"a","foo":"a"', id="same-value"),
        pytest.param('"foo":1,"foo":12', id="number-prefix"),
        pytest.param('"foo":12,"foo":1', id="number-prefix-reversed"),
        pytest.param('"id":"A-1"', id="required-again"),
        pytest.param('"data":{"a":"b\\"}"},"data":{}', id="data"),
        pytest.param('"foo":1,"\\u0066oo":1', id="escaped-name"),
        pytest.param('"foo":"\\",\\"bar\\":","bar":1,"foo":"x"', id="text-that-looks-like-members"),
    ],
)
def test_refuses_a_member_named_twice(members):
    base = json.dumps(JSON_REQUIRED)[:-1]
    assert reason_of(structured, f"{base},{members}}}") is Reason.MALFORMED


json_scalars = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1)
json_values = st.recursive(
    json_scalars | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.from_regex(r"x[a-z0-9]{0,19}", fullmatch=True)
plain_text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=20)
extension_values = plain_text | st.booleans() | st.integers(-(2**31), 2**31 - 1)


@given(json_values, st.dictionaries(names, json_scalars), st.sampled_from([None, 1, "\t"]), st.booleans(), st.data())
def test_every_well_formed_object_is_read_and_every_repetition_is_found(data, extensions, indent, ascii_only, draw):
    members = draw.draw(st.permutations([*(JSON_REQUIRED | extensions | {"data": data}).items()]))
    text = json.dumps(dict(members), indent=indent, ensure_ascii=ascii_only)
    event = structured(text)
    assert json.loads(event.data) == data
    assert event.data in text.encode()
    assert event.extensions == {name: value for name, value in extensions.items() if value is not None}
    name = draw.draw(st.sampled_from([key for key, _ in members]))
    again = f"{text.rstrip()[:-1]},{json.dumps(name)}:{json.dumps(draw.draw(json_values))}}}"
    assert reason_of(structured, again) is Reason.MALFORMED


@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/plain", None]))
def test_hostile_structured_values_are_refused_with_a_reason(noise, media_type):
    text = json.dumps(JSON_REQUIRED | ({"datacontenttype": media_type} if media_type else {})).encode()
    for value in (noise, text[:-1] + noise, text[:-1] + b',"data":' + noise + b"}"):
        # Noise may happen to be well-formed; whatever else it is must end as a rejection, not as another exception.
        with contextlib.suppress(Rejection):
            assert isinstance(structured(value), Event)


@given(
    st.builds(
        Event,
        id=plain_text,
        source=plain_text,
        type=plain_text,
        datacontenttype=st.none() | st.just("application/json"),
        dataschema=st.none() | plain_text,
        subject=st.none() | plain_text,
        time=st.none() | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        data=st.none() | st.binary(),
        extensions=st.dictionaries(names, extension_values),
        dssematerial=st.none() | st.binary(min_size=1).map(lambda value: base64.b64encode(value).decode()),
    )
)
def test_decoding_inverts_binary_encoding(event):
    texts = {name: canonical_text(value) for name, value in event.extensions.items()}
    assert decode_event(binary_headers(event), event.data) == msgspec.structs.replace(event, extensions=texts)


def test_data_that_is_a_cloudevent_is_not_sent_in_binary_mode():
    with pytest.raises(ValueError, match="binary mode"):
        binary_headers(Event(id="1", source="s", type="t", datacontenttype="application/CloudEvents+json"))


def test_producers_leave_empty_attributes_out():
    sent = binary_headers(Event(id="1", source="s", type="t", subject="", extensions={"flag": True, "n": 0}))
    assert sent == [
        ("ce_id", b"1"),
        ("ce_source", b"s"),
        ("ce_specversion", b"1.0"),
        ("ce_type", b"t"),
        ("ce_flag", b"true"),
        ("ce_n", b"0"),
    ]


def test_rejections_and_reprs_never_show_values():
    secret = "DE89370400440532013000"
    for name in ("ce_subject", "ce_time", "ce_specversion"):
        with pytest.raises(Rejection) as caught:
            decode_event([*headers(**{name: f"{secret}\n".encode()})], b"")
        assert secret not in str(caught.value)
    assert secret not in repr(Event(id=secret, source=secret, type=secret, data=secret.encode()))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-05-13T10:49:12.123456+01:00", "2026-05-13T09:49:12Z"),
        ("2026-05-13T09:49:12.999Z", "2026-05-13T09:49:12Z"),
        ("2026-05-13t09:49:12z", "2026-05-13T09:49:12Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
        ("2024-02-28T23:30:00-01:30", "2024-02-29T01:00:00Z"),
        ("2020-06-18T17:24:53-00:00", "2020-06-18T17:24:53Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
        ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:60Z"),
        ("2020-06-18T17:24:53." + "9" * 200 + "Z", "2020-06-18T17:24:53Z"),
    ],
)
def test_timestamps_are_cut_to_seconds_in_utc(text, canonical):
    assert canonical_timestamp(text) == canonical
    assert decode_event(headers(ce_time=text.encode()), b"").time == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-13 09:49:12Z",
        "2026-05-13T09:49Z",
        "2026-05-13T09:49:12,5Z",
        "2026-05-13T09:49:12.Z",
        "2026-05-13T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-05-13T09:49:61Z",
        "2026-05-13T09:49:60Z",
        "2016-12-31T23:59:60+01:00",
        "2016-12-30T23:59:60Z",
        "2017-01-01T05:00:60Z",
        "2026-05-13T09:49:12+24:00",
        "2026-05-13T09:49:12+01:60",
        "2026-05-13T09:49:12+0100",
        "20260513T094912Z",
        "2026-W20-3T09:49:12Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "２０２６-05-13T09:49:12Z",
        " 2026-05-13T09:49:12Z",
        "2026-05-13T09:49:12Z ",
        "",
    ],
)
def test_refuses_what_is_no_timestamp(text):
    with pytest.raises(ValueError, match=r"timestamp|exists"):
        canonical_timestamp(text)
    assert reason_of(decode_event, headers(ce_time=text.encode()), b"") is Reason.MALFORMED


def test_a_timestamp_without_a_zone_is_utc_in_digests_but_refused_on_the_wire():
    assert canonical_timestamp("2026-05-13T09:49:12.5") == "2026-05-13T09:49:12Z"
    assert reason_of(decode_event, headers(ce_time=b"2026-05-13T09:49:12"), b"") is Reason.MALFORMED


@pytest.mark.parametrize("index", range(10))
def test_canonical_values_of_the_standard(index):
    vectors = json.loads(shared("standards/vectors/cloudevents-verifiability.json").read_bytes())["canonicalValues"]
    assert len(vectors) == 10
    vector = vectors[index]
    kind = AttributeType.STRING if vector["type"] == "absent" else AttributeType(vector["type"])
    value = vector["value"]
    if kind is AttributeType.BINARY:
        value = value.removeprefix("base64:")
    assert canonical_bytes(value, kind).hex() == vector["canonicalBytesHex"]
