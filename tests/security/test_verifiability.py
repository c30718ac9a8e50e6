import base64
import datetime as dt
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Rejection
from schemas.events import Event, binary_headers, canonical_text, decode_event
from schemas.reasons import Reason
from security.dsse import DsseEnvelope, DsseSignature, decode_envelope, encode_envelope, pae
from security.jwk import Jwk, parse_jwk
from security.key_registry import KeyRegistry, SigningKey
from security.signatures import Algorithm
from security.signing import Ed25519Signer, Es256Signer, Signer
from security.verifiability import (
    MAX_ATTEMPTS,
    PAYLOAD_TYPE,
    SigningRefusedError,
    core_digest,
    ext_digest,
    sign_event,
    verify_event,
    verify_frame,
    with_signature,
)
from tests.shared_data import shared

NOW = 1_780_000_000_000
DAY = dt.timedelta(days=1)
MOMENT = dt.datetime.fromtimestamp(NOW / 1000, dt.UTC)
SIGNER = Ed25519Signer("key-1", b"\1" * 32)
CASES = [
    "Case 1: Event without time",
    "Case 2: Event with empty subject",
    "Case 3: Event with zulu time",
    "Case 4: Event with time including TZ",
    "Case 5: Binary data",
    "Case 6a: Event with one signed extension attribute",
    "Case 6b: Event with one signed extension attribute",
    "Case 7: Event with multiple extension attributes",
    "Walkthrough",
]
EVENT = Event(
    id="1",
    source="/bank/core",
    type="io.example.v1",
    datacontenttype="application/json",
    dataschema="urn:example:schema",
    subject="entry",
    time="2026-05-13T10:49:12.123456+01:00",
    data=b'{"hello": "world"}',
    extensions={"sequence": "0001", "recordedtime": "2026-05-13T11:00:00.9Z", "foo": "bar", "flag": True, "n": -3},
)
SIGNED = ("sequence", "recordedtime", "foo", "flag", "n")


def signing_key(signer: Signer = SIGNER, *sources: str, **changes: object) -> SigningKey:
    fields: dict[str, object] = {
        "key_id": signer.key_id,
        "algorithm": signer.algorithm,
        "public_key": signer.public_key,
        "tenant": "bank",
        "domain": "payments",
        "sources": sources or ("/bank/*",),
    }
    return SigningKey(**(fields | changes))


REGISTRY = KeyRegistry([signing_key()])


def vectors() -> dict:
    return json.loads(shared("standards/vectors/cloudevents-verifiability.json").read_bytes())


def vector_case(name: str) -> dict:
    return next(case for case in vectors()["cases"] if case["name"] == name)


def vector_signer() -> Es256Signer:
    return Es256Signer("testkey", int(vectors()["key"]["d"]).to_bytes(32))


def vector_registry() -> KeyRegistry:
    public = {name: value for name, value in vectors()["key"]["jwk"].items() if name != "d"}
    jwk: Jwk = parse_jwk(json.dumps(public))
    return KeyRegistry(
        [
            SigningKey(
                key_id="testkey",
                algorithm=jwk.algorithm,
                public_key=jwk.public_key,
                tenant="t",
                domain="d",
                sources=("example/uri",),
            )
        ]
    )


def structured_vector(case: dict, material: str) -> Event:
    """The event of a case as a structured message whose data bytes are those that were signed."""
    members = {name: value for name, value in case["event"].items() if name != "data"} | {"dssematerial": material}
    text = json.dumps(members, ensure_ascii=False)
    if "data_utf8" in case:
        text = f'{text[:-1]},"data":{case["data_utf8"]}}}'
    return decode_event([("content-type", b"application/cloudevents+json")], text.encode())


def binary_vector(case: dict, material: str) -> Event:
    """The same event in binary mode."""
    fields = {name: value for name, value in case["event"].items() if name not in {"data", "data_base64"}}
    media_type = fields.pop("datacontenttype")
    headers = [(f"ce_{name}", value.encode()) for name, value in (fields | {"dssematerial": material}).items()]
    data = case["data_utf8"].encode() if "data_utf8" in case else base64.b64decode(case["data_base64"])
    return decode_event([*headers, ("content-type", media_type.encode())], data)


def rejection(event: Event, registry: KeyRegistry = REGISTRY, at_ms: int = NOW) -> Rejection:
    with pytest.raises(Rejection) as caught:
        verify_event(event, registry, at_ms)
    return caught.value


def reason(event: Event, registry: KeyRegistry = REGISTRY, at_ms: int = NOW) -> Reason:
    return rejection(event, registry, at_ms).reason


def with_material(event: Event, text: bytes) -> Event:
    return msgspec.structs.replace(event, dssematerial=base64.b64encode(text).decode())


def signed_with_payload(payload: bytes, event: Event = EVENT, payload_type: str = PAYLOAD_TYPE) -> Event:
    """An event whose material is signed properly, over any payload."""
    signature = DsseSignature(SIGNER.sign(pae(payload_type, payload)), SIGNER.key_id)
    return with_material(event, encode_envelope(DsseEnvelope(payload_type, payload, (signature,))))


def with_signatures(event: Event, *signatures: DsseSignature) -> Event:
    envelope = decode_envelope(sign_event(event, SIGNER))
    return with_material(event, encode_envelope(msgspec.structs.replace(envelope, signatures=signatures)))


def test_the_list_of_cases_is_complete():
    assert [case["name"] for case in vectors()["cases"]] == CASES


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("decode", [structured_vector, binary_vector], ids=["structured", "binary"])
def test_recomputed_vectors_verify(name, decode):
    case = vector_case(name)
    verified = verify_event(decode(case, case["recomputed"]["dssematerial"]), vector_registry(), NOW)
    assert base64.b64encode(verified.core_digest).decode() == case["recomputed"]["core"]
    ext = verified.ext_digest and base64.b64encode(verified.ext_digest).decode()
    assert ext == case["recomputed"]["ext"]
    assert verified.event.extensions == {name: case["event"][name] for name in case["signedextattrs"]}
    assert verified.event.dssematerial is None


@pytest.mark.parametrize("name", CASES)
def test_recomputed_vectors_are_reproduced_byte_for_byte(name):
    case = vector_case(name)
    material = sign_event(structured_vector(case, ""), vector_signer(), case["signedextattrs"])
    assert base64.b64encode(material).decode() == case["recomputed"]["dssematerial"]
    envelope = decode_envelope(material)
    assert envelope.payload.decode() == case["recomputed"]["verificationMaterialJson"]
    assert envelope.signed_bytes().hex() == case["recomputed"]["paeHex"]


def test_the_published_case_5_verifies_and_is_reproduced_whole():
    case = vector_case("Case 5: Binary data")
    published = case["published"]["dssematerial"]
    assert verify_event(structured_vector(case, published), vector_registry(), NOW).ext_digest is None
    assert base64.b64encode(sign_event(structured_vector(case, ""), vector_signer())).decode() == published


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(CASES[0], Reason.MALFORMED, id="1-payload-is-not-json"),
        pytest.param(CASES[1], Reason.MALFORMED, id="2-payload-is-not-json"),
        pytest.param(CASES[2], Reason.DIGEST_MISMATCH, id="3-core-differs"),
        pytest.param(CASES[3], Reason.DIGEST_MISMATCH, id="4-core-differs"),
        pytest.param(CASES[5], Reason.BAD_SIGNATURE, id="6a-stray-byte"),
        pytest.param(CASES[6], Reason.BAD_SIGNATURE, id="6b-stray-byte"),
        pytest.param(CASES[7], Reason.DIGEST_MISMATCH, id="7-core-differs"),
        pytest.param(CASES[8], Reason.BAD_SIGNATURE, id="walkthrough-stray-byte"),
    ],
)
def test_wrong_published_vectors_are_refused(name, expected):
    case = vector_case(name)
    assert reason(structured_vector(case, case["published"]["dssematerial"]), vector_registry()) is expected


@pytest.mark.parametrize("index", range(5), ids=["8a", "8b", "8c", "8d", "8e"])
def test_only_the_list_rules_refuse_the_negative_cases(index):
    case = vectors()["negativeCases"][index]
    assert case["name"].startswith(f"8{'abcde'[index]}")
    carrier = structured_vector(vector_case(CASES[5]), "")
    event = with_material(carrier, json.dumps(case["recomputedSignedEnvelope"]).encode())
    assert reason(event, vector_registry()) is Reason.MALFORMED


@pytest.mark.parametrize("value", [{"a": 1}, [1]], ids=["object", "array"])
def test_negative_case_8f_is_refused_when_the_event_is_decoded(value):
    case = vector_case(CASES[5])
    case["event"]["exta"] = value
    with pytest.raises(Rejection) as caught:
        structured_vector(case, case["recomputed"]["dssematerial"])
    assert caught.value.reason is Reason.MALFORMED


def test_a_verified_event_shows_what_was_signed_and_who_signed():
    extra = EVENT.extensions | {"traceparent": "00-1", "partitionkey": "k"}
    event = with_signature(msgspec.structs.replace(EVENT, extensions=extra), SIGNER, SIGNED)
    verified = verify_event(event, REGISTRY, NOW)
    assert verified.key_ids == ("key-1",)
    assert (verified.tenant, verified.domain) == ("bank", "payments")
    assert (verified.core_digest, verified.ext_digest) == (core_digest(EVENT), ext_digest(EVENT, SIGNED))
    assert verified.event == msgspec.structs.replace(
        EVENT,
        time="2026-05-13T09:49:12Z",
        extensions=EVENT.extensions | {"recordedtime": "2026-05-13T11:00:00Z"},
    )


def test_unsigned_extensions_are_dropped_from_the_view():
    verified = verify_event(with_signature(EVENT, SIGNER, ("foo",)), REGISTRY, NOW)
    assert verified.event.extensions == {"foo": "bar"}
    assert verify_event(with_signature(EVENT, SIGNER), REGISTRY, NOW).event.extensions == {}


def test_a_signed_name_may_be_absent_but_not_appear_later():
    event = with_signature(EVENT, SIGNER, ("foo", "absent"))
    assert verify_event(event, REGISTRY, NOW).event.extensions == {"foo": "bar"}
    forged = msgspec.structs.replace(event, extensions=event.extensions | {"absent": "x"})
    assert reason(forged) is Reason.DIGEST_MISMATCH


def test_fractions_and_zones_are_not_covered_and_not_shown():
    event = with_signature(EVENT, SIGNER)
    same = msgspec.structs.replace(event, time="2026-05-13T09:49:12.9Z")
    assert verify_event(same, REGISTRY, NOW).event.time == "2026-05-13T09:49:12Z"
    assert reason(msgspec.structs.replace(event, time="2026-05-13T09:49:13Z")) is Reason.DIGEST_MISMATCH


def test_an_es256_key_verifies_too():
    signer = Es256Signer("p256", b"\2" * 32)
    registry = KeyRegistry([signing_key(signer), signing_key()])
    assert verify_event(with_signature(EVENT, signer, SIGNED), registry, NOW).key_ids == ("p256",)


def test_an_event_without_material_is_not_signed():
    assert reason(EVENT) is Reason.MISSING_SIGNATURE
    assert reason(msgspec.structs.replace(EVENT, dssematerial="")) is Reason.MISSING_SIGNATURE
    assert reason(msgspec.structs.replace(EVENT, batchmaterial="")) is Reason.MISSING_SIGNATURE


def test_an_event_with_both_kinds_of_material_is_malformed():
    event = with_signature(EVENT, SIGNER, SIGNED)
    assert reason(msgspec.structs.replace(event, batchmaterial="e30=")) is Reason.MALFORMED


@pytest.mark.parametrize(
    "material",
    [
        pytest.param("*", id="not-base64"),
        pytest.param("é", id="not-ascii"),
        pytest.param("e30", id="unpadded"),
        pytest.param("e30=", id="empty-object"),
        pytest.param(base64.b64encode(b'"\xff"').decode(), id="not-utf-8"),
        pytest.param(base64.b64encode(b"[" * 40_000).decode(), id="deep"),
    ],
)
def test_material_that_can_not_be_decoded_is_malformed(material):
    assert reason(msgspec.structs.replace(EVENT, dssematerial=material)) is Reason.MALFORMED


@pytest.mark.parametrize("kind", ["", "application/json", PAYLOAD_TYPE + "/", PAYLOAD_TYPE.upper()])
def test_any_other_payload_type_is_malformed_however_well_it_is_signed(kind):
    payload = decode_envelope(sign_event(EVENT, SIGNER)).payload
    assert reason(signed_with_payload(payload, payload_type=kind)) is Reason.MALFORMED


def test_the_payload_type_is_under_the_signature():
    payload = decode_envelope(sign_event(EVENT, SIGNER)).payload
    other = DsseSignature(SIGNER.sign(pae("other", payload)), SIGNER.key_id)
    assert reason(with_signatures(EVENT, other)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param(KeyRegistry([]), id="no-keys"),
        pytest.param(KeyRegistry([signing_key(key_id="other")]), id="other-id"),
        pytest.param(KeyRegistry([signing_key(SIGNER, "/bank/other", "/shop/*")]), id="key-of-another-source"),
        pytest.param(KeyRegistry([signing_key(types=("io.other.*",))]), id="key-for-another-type"),
        pytest.param(
            KeyRegistry([signing_key(SIGNER, "/shop/*", revoked_at=MOMENT - DAY)]), id="revoked-key-of-another-source"
        ),
    ],
)
def test_a_key_not_registered_for_the_source_is_unknown_whatever_it_signed(registry):
    event = with_signature(EVENT, SIGNER)
    assert reason(event, registry) is Reason.UNKNOWN_KEY
    spoilt = DsseSignature(bytes(64), SIGNER.key_id)
    assert reason(with_signatures(EVENT, spoilt), registry) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"revoked_at": MOMENT}, Reason.KEY_REVOKED, id="revoked"),
        pytest.param({"not_after": MOMENT}, Reason.KEY_EXPIRED, id="expired"),
        pytest.param({"not_before": MOMENT + DAY}, Reason.KEY_EXPIRED, id="not-yet-valid"),
        pytest.param({"not_after": MOMENT - DAY, "revoked_at": MOMENT - DAY}, Reason.KEY_REVOKED, id="both"),
    ],
)
def test_a_key_counts_at_append_time_only(changes, expected):
    registry = KeyRegistry([signing_key(**changes)])
    event = with_signature(msgspec.structs.replace(EVENT, time="2020-01-01T00:00:00Z"), SIGNER)
    assert reason(event, registry) is expected
    # An alarm about a revoked key needs a signature by that key.
    spoilt = DsseSignature(bytes(64), SIGNER.key_id)
    assert reason(with_signatures(EVENT, spoilt), registry) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("changes", [{"revoked_at": MOMENT}, {"not_after": MOMENT}], ids=["revoked", "expired"])
def test_what_was_appended_before_a_key_ended_still_verifies(changes):
    registry = KeyRegistry([signing_key(**changes)])
    assert verify_event(with_signature(EVENT, SIGNER), registry, NOW - 1).key_ids == ("key-1",)


def test_the_signature_is_checked_before_the_payload_is_parsed():
    event = with_signatures(EVENT, DsseSignature(bytes(64), SIGNER.key_id))
    envelope = DsseEnvelope(PAYLOAD_TYPE, b"not json", (DsseSignature(bytes(64), SIGNER.key_id),))
    assert reason(event) is Reason.BAD_SIGNATURE
    assert reason(with_material(EVENT, encode_envelope(envelope))) is Reason.BAD_SIGNATURE
    assert reason(signed_with_payload(b"not json")) is Reason.MALFORMED


DIGEST = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({}, id="no-core"),
        pytest.param({"core": base64.b64encode(bytes(31)).decode()}, id="core-of-31"),
        pytest.param({"core": base64.b64encode(bytes(33)).decode()}, id="core-of-33"),
        pytest.param({"core": "?"}, id="core-not-base64"),
        pytest.param({"core": None}, id="core-null"),
        pytest.param(
            {"core": DIGEST, "ext": base64.b64encode(bytes(31)).decode(), "signedextattrs": ["a"]}, id="ext-31"
        ),
        pytest.param({"core": DIGEST, "ext": None, "signedextattrs": None}, id="nulls"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": []}, id="empty-list"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": "a"}, id="list-is-text"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": [1]}, id="list-of-numbers"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": ["A"]}, id="no-attribute-name"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": ["data"]}, id="data"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": ["batchmaterial"]}, id="batch-material"),
        pytest.param({"core": DIGEST, "ext": DIGEST, "signedextattrs": [f"a{n}" for n in range(65)]}, id="too-many"),
        pytest.param([], id="array"),
    ],
)
def test_a_signed_payload_that_breaks_the_rules_is_malformed(payload):
    assert reason(signed_with_payload(json.dumps(payload).encode())) is Reason.MALFORMED


def test_unknown_members_of_a_signed_payload_are_ignored():
    members = json.loads(decode_envelope(sign_event(EVENT, SIGNER, SIGNED)).payload) | {"more": [1]}
    assert verify_event(signed_with_payload(json.dumps(members, indent=1).encode()), REGISTRY, NOW).ext_digest


def test_without_a_key_id_the_keys_of_the_source_are_tried():
    other = Ed25519Signer("key-2", b"\3" * 32)
    elsewhere = Ed25519Signer("key-3", b"\4" * 32)
    registry = KeyRegistry(
        [signing_key(other, not_before=MOMENT - DAY), signing_key(), signing_key(elsewhere, "/shop/*")]
    )
    envelope = decode_envelope(sign_event(EVENT, SIGNER))
    nameless = DsseSignature(envelope.signatures[0].sig)
    assert verify_event(with_signatures(EVENT, nameless), registry, NOW).key_ids == ("key-1",)
    stranger = DsseSignature(elsewhere.sign(envelope.signed_bytes()))
    assert reason(with_signatures(EVENT, stranger), registry) is Reason.BAD_SIGNATURE
    assert reason(with_signatures(EVENT, nameless), KeyRegistry([signing_key(elsewhere, "/shop/*")])) is (
        Reason.UNKNOWN_KEY
    )


def test_a_wrong_key_id_does_not_fall_back_to_other_keys():
    other = Ed25519Signer("key-2", b"\3" * 32)
    registry = KeyRegistry([signing_key(other), signing_key()])
    sig = decode_envelope(sign_event(EVENT, SIGNER)).signatures[0].sig
    assert reason(with_signatures(EVENT, DsseSignature(sig, "key-2")), registry) is Reason.BAD_SIGNATURE
    assert reason(with_signatures(EVENT, DsseSignature(sig, "key-9")), registry) is Reason.UNKNOWN_KEY


def test_one_good_signature_among_several_is_enough():
    envelope = decode_envelope(sign_event(EVENT, SIGNER))
    bad = [DsseSignature(bytes(64), "key-1"), DsseSignature(b"", "nobody"), DsseSignature(bytes(64), "gone")]
    gone = Ed25519Signer("gone", b"\5" * 32)
    registry = KeyRegistry([signing_key(), signing_key(gone, revoked_at=MOMENT - DAY)])
    assert verify_event(with_signatures(EVENT, *bad, *envelope.signatures), registry, NOW).key_ids == ("key-1",)
    by_gone = DsseSignature(gone.sign(envelope.signed_bytes()), "gone")
    assert verify_event(with_signatures(EVENT, by_gone, *envelope.signatures), registry, NOW).key_ids == ("key-1",)
    assert reason(with_signatures(EVENT, *bad, by_gone), registry) is Reason.KEY_REVOKED


@pytest.mark.parametrize("changes", [{}, {"revoked_at": MOMENT - DAY}], ids=["valid-keys", "revoked-keys"])
def test_the_work_spent_on_one_event_is_bounded(changes):
    attempts = []

    class Counting(SigningKey):
        def __init__(self, **fields: object) -> None:
            super().__init__(**fields)
            check = self.verify
            object.__setattr__(self, "verify", lambda *args: (attempts.append(1), check(*args)))

    keys = []
    for n in range(20):
        signer = Ed25519Signer(f"k{n}", bytes([n + 10]) * 32)
        keys.append(
            Counting(
                key_id=signer.key_id,
                algorithm=Algorithm.ED25519,
                public_key=signer.public_key,
                tenant="t",
                domain="d",
                sources=("/bank/*",),
                **changes,
            )
        )
    event = with_signatures(EVENT, *[DsseSignature(bytes(64))] * 8)
    assert reason(event, KeyRegistry(keys)) is Reason.BAD_SIGNATURE
    assert len(attempts) == MAX_ATTEMPTS


core_changes = st.sampled_from(["id", "source", "type", "datacontenttype", "dataschema", "subject", "data"])


@given(core_changes, st.integers(0, 1000), st.integers(0, 7))
def test_any_flipped_bit_of_a_core_attribute_or_the_data_is_refused(name, position, bit):
    event = with_signature(EVENT, SIGNER, SIGNED)
    value = getattr(event, name)
    changed = bytearray(value if isinstance(value, bytes) else value.encode())
    changed[position % len(changed)] ^= 1 << bit
    new: object = bytes(changed) if name == "data" else changed.decode("latin-1")
    refused = reason(msgspec.structs.replace(event, **{name: new}))
    assert refused is (
        Reason.UNKNOWN_KEY if name == "source" and not new.startswith("/bank/") else Reason.DIGEST_MISMATCH
    )


@pytest.mark.parametrize("name", ["datacontenttype", "dataschema", "subject", "time", "data"])
def test_an_optional_attribute_can_be_neither_removed_nor_added(name):
    event = with_signature(EVENT, SIGNER)
    assert reason(msgspec.structs.replace(event, **{name: None})) is Reason.DIGEST_MISMATCH
    without = with_signature(msgspec.structs.replace(EVENT, **{name: None}), SIGNER)
    assert reason(msgspec.structs.replace(without, **{name: getattr(EVENT, name)})) is Reason.DIGEST_MISMATCH


@given(st.sampled_from(SIGNED), st.text(min_size=1) | st.booleans() | st.integers())
def test_any_change_of_a_signed_extension_is_refused(name, value):
    event = with_signature(EVENT, SIGNER, SIGNED)
    if canonical_text(value) != canonical_text(EVENT.extensions[name]):
        changed = msgspec.structs.replace(event, extensions=event.extensions | {name: value})
        # Text that is no timestamp is refused as such where a timestamp was signed.
        assert reason(changed) in {Reason.DIGEST_MISMATCH, Reason.MALFORMED}


@given(st.integers(0, 1000), st.integers(0, 7))
def test_any_flipped_bit_of_the_signed_payload_or_the_signature_is_refused(position, bit):
    envelope = decode_envelope(sign_event(EVENT, SIGNER, SIGNED))
    payload, sig = bytearray(envelope.payload), bytearray(envelope.signatures[0].sig)
    payload[position % len(payload)] ^= 1 << bit
    sig[position % len(sig)] ^= 1 << bit
    for changed in (
        DsseEnvelope(PAYLOAD_TYPE, bytes(payload), envelope.signatures),
        DsseEnvelope(PAYLOAD_TYPE, envelope.payload, (DsseSignature(bytes(sig), "key-1"),)),
    ):
        assert reason(with_material(EVENT, encode_envelope(changed))) is Reason.BAD_SIGNATURE


@given(st.integers(0, 5000), st.integers(0, 127))
def test_a_changed_byte_of_the_material_never_changes_what_is_shown(position, byte):
    event = with_signature(EVENT, SIGNER, SIGNED)
    material = bytearray(base64.b64decode(event.dssematerial))
    material[position % len(material)] = byte
    try:
        verified = verify_event(with_material(event, bytes(material)), REGISTRY, NOW)
    except Rejection:
        return
    assert verified == verify_event(event, REGISTRY, NOW)


texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=30)


@settings(max_examples=60)
@given(
    texts,
    st.none() | texts,
    st.none() | st.datetimes(dt.datetime(2000, 1, 1)).map(lambda moment: moment.isoformat() + "+02:30"),
    st.dictionaries(st.from_regex(r"x[a-z0-9]{0,9}", fullmatch=True), texts | st.booleans() | st.integers(-9, 9)),
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ),
    st.sampled_from([None, 2]),
)
def test_structured_and_binary_mode_of_one_event_verify_alike(event_id, subject, time, extensions, value, indent):
    data = json.dumps(value, indent=indent).encode()
    event = msgspec.structs.replace(EVENT, id=event_id, subject=subject, time=time, extensions=extensions, data=data)
    event = with_signature(event, SIGNER, tuple(extensions))
    members = {
        name: getattr(event, name)
        for name in ("specversion", "id", "source", "type", "datacontenttype", "dataschema", "subject", "time")
    }
    members |= event.extensions | {"dssematerial": event.dssematerial}
    text = f'{json.dumps(members)[:-1]},"data":{data.decode()}}}'.encode()
    structured = decode_event([("content-type", b"application/cloudevents+json")], text)
    binary = decode_event(binary_headers(event), event.data)
    one, other = (verify_event(decoded, REGISTRY, NOW) for decoded in (structured, binary))
    texts_alone = {name: canonical_text(value) for name, value in one.event.extensions.items()}
    assert other == msgspec.structs.replace(one, event=msgspec.structs.replace(one.event, extensions=texts_alone))
    assert one.event.extensions == extensions


def test_one_bad_event_never_costs_its_neighbours():
    good, bad = with_signature(EVENT, SIGNER), EVENT
    late = KeyRegistry([signing_key(revoked_at=MOMENT)])
    times = [NOW - 1, NOW - 1, NOW - 1, NOW]
    passed, rejected = verify_frame([(0, good), (2, bad), (3, good)], late, times)
    assert [(position, verified.event.id) for position, verified in passed] == [(0, "1")]
    assert [(position, refused.reason) for position, refused in rejected] == [
        (2, Reason.MISSING_SIGNATURE),
        (3, Reason.KEY_REVOKED),
    ]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("foo", "foo"), id="repeated"),
        pytest.param(("id",), id="core-attribute"),
        pytest.param(("data",), id="data"),
        pytest.param(("dssematerial",), id="material"),
        pytest.param(("batchmaterial",), id="batch-material"),
        pytest.param(("Foo",), id="no-name"),
        pytest.param(tuple(f"a{n}" for n in range(65)), id="too-many"),
    ],
)
def test_refuses_to_sign_a_list_that_no_verifier_takes(names):
    with pytest.raises(SigningRefusedError):
        sign_event(EVENT, SIGNER, names)


@pytest.mark.parametrize(
    "changes", [{"time": "now"}, {"extensions": {"recordedtime": "now"}}], ids=["time", "extension"]
)
def test_refuses_to_sign_what_is_no_timestamp(changes):
    with pytest.raises(SigningRefusedError):
        sign_event(msgspec.structs.replace(EVENT, **changes), SIGNER, ("recordedtime",))


def test_details_never_hold_values():
    secret = "DE89370400440532013000"
    event = with_signature(msgspec.structs.replace(EVENT, id=secret, extensions={"foo": secret}), SIGNER, ("foo",))
    for changed in (
        msgspec.structs.replace(event, subject=secret),
        msgspec.structs.replace(event, extensions={"foo": secret + "1"}),
        msgspec.structs.replace(event, source=secret),
        msgspec.structs.replace(event, time=secret),
        msgspec.structs.replace(event, dssematerial=secret),
    ):
        assert secret not in str(rejection(changed))
