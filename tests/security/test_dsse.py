import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.dsse import DsseEnvelope, DsseSignature, MalformedEnvelope, decode_envelope, encode_envelope, pae
from security.signatures import verifier
from security.signing import Es256Signer
from tests.shared_data import shared


def wire(**changes: object) -> bytes:
    members = {"payloadType": "t", "payload": "bQ==", "signatures": [{"sig": "cw=="}]} | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def test_reproduces_the_signature_of_the_protocol():
    vector = json.loads(shared("standards/vectors/jose-dsse.json").read_bytes())["dsse"]
    key = json.loads(shared("standards/vectors/cloudevents-verifiability.json").read_bytes())["key"]
    signer = Es256Signer("", int(key["d"]).to_bytes(32))
    envelope = DsseEnvelope(vector["payloadType"], vector["payloadUtf8"].encode(), ())
    assert envelope.signed_bytes() == vector["paeUtf8"].encode()
    signature = signer.sign(envelope.signed_bytes())
    assert base64.b64encode(signature).decode() == vector["sigB64RawRS"]
    verifier(signer.jwk)(envelope.signed_bytes(), signature)


def test_lengths_are_bytes_not_characters():
    assert pae("é", "世".encode()) == "DSSEv1 2 é 3 世".encode()
    assert pae("", b"") == b"DSSEv1 0  0 "


@given(st.text(), st.binary(), st.text(), st.binary())
def test_no_two_pairs_have_one_encoding(kind, payload, other_kind, other_payload):
    if (kind, payload) != (other_kind, other_payload):
        assert pae(kind, payload) != pae(other_kind, other_payload)


key_ids = st.none() | st.text(min_size=1)


@given(
    st.builds(
        DsseEnvelope,
        st.text(),
        st.binary(),
        st.lists(st.builds(DsseSignature, st.binary(), key_ids), min_size=1, max_size=8).map(tuple),
    )
)
def test_decoding_inverts_encoding(envelope):
    assert decode_envelope(encode_envelope(envelope)) == envelope


def test_takes_both_alphabets_and_ignores_unknown_members():
    for text in ("+/+/", "-_-_"):
        envelope = decode_envelope(wire(payload=text, signatures=[{"sig": text, "keyid": "", "cert": 1}], more=[1]))
        assert envelope == DsseEnvelope("t", b"\xfb\xff\xbf", (DsseSignature(b"\xfb\xff\xbf", None),))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no-members"),
        pytest.param(b"\xff{}", id="not-utf-8"),
        pytest.param(b"[]", id="array"),
        pytest.param(wire(payload=...), id="no-payload"),
        pytest.param(wire(payloadType=...), id="no-type"),
        pytest.param(wire(signatures=...), id="no-signatures"),
        pytest.param(wire(payload=None), id="null-payload"),
        pytest.param(wire(payloadType=1), id="type-no-string"),
        pytest.param(wire(payloadType="\udead"), id="surrogate"),
        pytest.param(wire(signatures=[]), id="not-signed"),
        pytest.param(wire(signatures=[{"sig": "cw=="}] * 9), id="too-many-signatures"),
        pytest.param(wire(signatures=[{"keyid": "a"}]), id="no-sig"),
        pytest.param(wire(signatures=[{"sig": "cw==", "keyid": 1}]), id="keyid-no-string"),
        pytest.param(wire(signatures={"sig": "cw=="}), id="signatures-no-list"),
        pytest.param(wire(payload="bQ"), id="unpadded"),
        pytest.param(wire(payload="bQ=="[:3]), id="half-padded"),
        pytest.param(wire(payload="bQ== "), id="space"),
        pytest.param(wire(payload="b\nQ=="), id="line-break"),
        pytest.param(wire(payload="bQ==bQ=="), id="two-in-one"),
        pytest.param(wire(payload="é==="), id="not-ascii"),
        pytest.param(wire(signatures=[{"sig": "*"}]), id="sig-not-base64"),
        pytest.param(b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="deep"),
    ],
)
def test_refuses_what_is_no_envelope(text):
    with pytest.raises(MalformedEnvelope):
        decode_envelope(text)


@given(st.binary())
def test_noise_is_refused_and_never_crashes(noise):
    with pytest.raises(MalformedEnvelope):
        decode_envelope(noise)
