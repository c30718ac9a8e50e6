import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejection
from schemas.events import Event
from schemas.reasons import Reason
from security.batch_material import MAX_PATH, NONCE_BYTES
from security.batch_signing import batch_materials
from security.batch_statement import (
    BATCH_PAYLOAD_TYPE,
    KEPT_STATEMENTS,
    MAX_BATCH,
    MAX_STATEMENT_BYTES,
    StatementCache,
    StatementContent,
    encode_content,
)
from security.dsse import DsseEnvelope, DsseSignature, encode_envelope, pae
from security.key_registry import KeyRegistry
from security.merkle import leaf_hash, root_and_paths, verify_inclusion
from security.signed_payload import SigningRefusedError, payload_to_sign
from security.signing import Ed25519Signer, Es256Signer, Signer
from security.verifiability import core_digest, ext_digest, verify_event
from tests.security.test_verifiability import EVENT, MOMENT, NOW, REGISTRY, SIGNED, SIGNER, signing_key

OTHER = Ed25519Signer("key-2", b"\2" * 32)


def nonces(count: int) -> bytes:
    return bytes(n % 251 for n in range(count))


def events(count: int, **changes: object) -> list[Event]:
    return [msgspec.structs.replace(EVENT, id=str(n), **changes) for n in range(count)]


def attach(event: Event, material: bytes | str) -> Event:
    return msgspec.structs.replace(
        event, batchmaterial=material if isinstance(material, str) else material.decode(), dssematerial=None
    )


def batch(count: int, *signers: Signer, **changes: object) -> list[Event]:
    found = events(count, **changes)
    materials = batch_materials([(event, SIGNED) for event in found], signers or [SIGNER], nonces)
    return [attach(event, material) for event, material in zip(found, materials, strict=True)]


def members(event: Event) -> dict:
    return json.loads(base64.b64decode(event.batchmaterial))


def with_members(event: Event, **changes: object) -> Event:
    return attach(event, base64.b64encode(json.dumps(members(event) | changes).encode()))


def reason(event: Event, registry: KeyRegistry = REGISTRY, at_ms: int = NOW, **options: object) -> Reason:
    with pytest.raises(Rejection) as caught:
        verify_event(event, registry, at_ms, **options)
    return caught.value.reason


def resigned(event: Event, content: bytes, signer: Signer = SIGNER, payload_type: str = BATCH_PAYLOAD_TYPE) -> Event:
    """The event under a statement with that payload, properly signed."""
    signature = DsseSignature(signer.sign(pae(payload_type, content)), signer.key_id)
    envelope = encode_envelope(DsseEnvelope(payload_type, content, (signature,)))
    return with_members(event, statement=json.loads(envelope))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 100, 256])
def test_every_event_of_a_batch_verifies_alone_and_with_its_neighbours(count):
    signed = batch(count)
    statements = StatementCache()
    for event in signed:
        verified = verify_event(event, REGISTRY, NOW, statements)
        assert verified == verify_event(event, REGISTRY, NOW)
        assert (verified.event.id, verified.key_ids, verified.tenant) == (event.id, ("key-1",), "bank")
        assert verified.core_digest == core_digest(event)
        assert verified.ext_digest == ext_digest(event, SIGNED)
        assert verified.event.batchmaterial is None
    assert len(statements) == 1


def test_the_material_is_what_the_interface_says():
    found = events(3)
    for n, event in enumerate(batch(3)):
        said = members(event)
        assert sorted(said) == ["index", "nonce", "path", "payload", "statement"]
        payload, nonce = base64.b64decode(said["payload"]), base64.b64decode(said["nonce"])
        assert payload == payload_to_sign(found[n], SIGNED)
        assert (said["index"], len(nonce)) == (n, NONCE_BYTES)
        assert said["statement"]["payloadType"] == "application/vnd.sealstream.batch.v1+json"
        content = json.loads(base64.b64decode(said["statement"]["payload"]))
        assert sorted(content) == ["root", "size", "source"]
        assert (content["size"], content["source"]) == (3, "/bank/core")
        path = [base64.b64decode(each) for each in said["path"]]
        verify_inclusion(leaf_hash(nonce + payload), n, 3, path, base64.b64decode(content["root"]))


def test_no_two_leaves_share_a_nonce():
    assert len({members(event)["nonce"] for event in batch(200)}) == 200


def test_json_may_be_spelled_in_other_ways():
    event = batch(4)[2]
    spelled = json.dumps({"more": 1, **dict(reversed(members(event).items()))}, indent=2)
    verify_event(attach(event, base64.b64encode(spelled.encode())), REGISTRY, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"nonce": base64.b64encode(bytes(15)).decode()}, id="short-nonce"),
        pytest.param({"nonce": base64.b64encode(bytes(17)).decode()}, id="long-nonce"),
        pytest.param({"nonce": "A" * 21 + "B=="}, id="stray-bits-in-the-nonce"),
        pytest.param({"nonce": "-_" * 10 + "AA=="}, id="url-safe-nonce"),
        pytest.param({"payload": "e30"}, id="no-padding"),
        pytest.param({"payload": None}, id="no-payload"),
        pytest.param({"index": 4}, id="index-beyond-the-batch"),
        pytest.param({"index": -1}, id="negative-index"),
        pytest.param({"index": MAX_BATCH}, id="index-beyond-any-batch"),
        pytest.param({"index": 2.0}, id="fractional-index"),
        pytest.param({"index": "2"}, id="index-as-text"),
        pytest.param({"path": []}, id="no-path"),
        pytest.param({"path": ["A" * 43 + "="] * 3}, id="path-too-long"),
        pytest.param({"path": ["A" * 43 + "="] * (MAX_PATH + 1)}, id="path-beyond-any-batch"),
        pytest.param({"path": ["AAAA", "A" * 43 + "="]}, id="short-hash"),
        pytest.param({"path": [1, 2]}, id="path-of-numbers"),
        pytest.param({"statement": {}}, id="no-envelope"),
        pytest.param({"statement": None}, id="no-statement"),
    ],
)
def test_material_that_breaks_the_form_is_malformed(changes):
    assert reason(with_members(batch(4)[2], **changes)) is Reason.MALFORMED
    assert reason(with_members(batch(4)[2], **changes), statements=warm()) is Reason.MALFORMED


def warm() -> StatementCache:
    """A cache that has seen the batch of four."""
    statements = StatementCache()
    for event in batch(4)[:2]:
        verify_event(event, REGISTRY, NOW, statements)
    return statements


@pytest.mark.parametrize("text", ["!", "e30", "e30=", "W10=", "AA==", base64.b64encode(b"[" * 100_000).decode()])
def test_an_attribute_that_is_no_material_is_malformed(text):
    assert reason(attach(EVENT, text)) is Reason.MALFORMED


def test_material_in_noncanonical_base64_is_malformed():
    for count in range(1, 4):  # one of three lengths ends without padding
        event = with_members(batch(4)[2], more="x" * count)
        text = event.batchmaterial
        if text.endswith("="):
            at = len(text.rstrip("=")) - 1
            stray = text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :]
            assert base64.b64decode(stray) == base64.b64decode(text)
            assert reason(attach(event, stray)) is Reason.MALFORMED
        verify_event(event, REGISTRY, NOW)


@pytest.mark.parametrize("position", range(2))
@pytest.mark.parametrize("change", ["path", "leaf", "index"])
def test_a_payload_that_does_not_stand_in_the_batch_is_a_bad_signature(position, change):
    signed = batch(4)
    event = signed[position]
    if change == "path":
        event = with_members(event, path=members(signed[2])["path"])
    elif change == "leaf":
        event = with_members(event, nonce=members(signed[3])["nonce"])
    else:
        event = with_members(event, index=3)
    assert reason(event) is Reason.BAD_SIGNATURE
    assert reason(event, statements=warm()) is Reason.BAD_SIGNATURE


def test_a_neighbours_material_does_not_fit():
    signed = batch(4)
    assert reason(attach(signed[0], signed[1].batchmaterial)) is Reason.DIGEST_MISMATCH


@given(field=st.sampled_from(["id", "type", "subject", "data"]))
def test_what_was_signed_can_not_be_changed(field):
    event = batch(3)[1]
    value = getattr(event, field)
    changed = msgspec.structs.replace(event, **{field: value + (b"x" if field == "data" else "x")})
    assert reason(changed) is Reason.DIGEST_MISMATCH


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_of_the_material_never_changes_what_is_shown(position, byte):
    event = batch(5)[3]
    raw = bytearray(base64.b64decode(event.batchmaterial))
    raw[position % len(raw)] = byte
    try:
        verified = verify_event(attach(event, base64.b64encode(bytes(raw))), REGISTRY, NOW)
    except Rejection:
        return
    assert verified == verify_event(event, REGISTRY, NOW)


def test_a_statement_about_another_source_does_not_count():
    event = batch(1)[0]
    content = json.loads(base64.b64decode(members(event)["statement"]["payload"]))
    moved = StatementContent(base64.b64decode(content["root"]), 1, "/bank/other")
    assert reason(resigned(event, encode_content(moved))) is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"root":"AA==","size":4,"source":"/bank/core"}',
        b'{"root":"%b","size":0,"source":"/bank/core"}' % base64.b64encode(bytes(32)),
        b'{"root":"%b","size":65537,"source":"/bank/core"}' % base64.b64encode(bytes(32)),
        b'{"root":"%b","size":4.0,"source":"/bank/core"}' % base64.b64encode(bytes(32)),
        b'{"root":"%b","size":4}' % base64.b64encode(bytes(32)),
        b'{"root":"%bB=","size":4,"source":"/bank/core"}' % base64.b64encode(bytes(32))[:-2],
        b'{"root":"%b","size":4,"source":"\xff"}' % base64.b64encode(bytes(32)),
    ],
)
def test_a_signed_statement_that_breaks_the_form_is_malformed(content):
    assert reason(resigned(batch(4)[1], content)) is Reason.MALFORMED


def test_a_statement_is_no_verifiability_payload_and_the_other_way_round():
    event = batch(1)[0]
    content = base64.b64decode(members(event)["statement"]["payload"])
    wrong_type = "https://cloudevents.io/verifiability/dsse/v0.1"
    assert reason(resigned(event, content, payload_type=wrong_type)) is Reason.MALFORMED
    as_single = base64.b64encode(json.dumps(members(event)["statement"]).encode()).decode()
    alone = msgspec.structs.replace(event, batchmaterial=None, dssematerial=as_single)
    assert reason(alone) is Reason.MALFORMED


def test_a_statement_is_bounded():
    event = batch(1)[0]
    padded = members(event)["statement"] | {"more": "x" * MAX_STATEMENT_BYTES}
    assert reason(with_members(event, statement=padded)) is Reason.OVERSIZED


def test_the_statement_is_checked_before_what_it_says():
    event = batch(1)[0]
    assert reason(resigned(event, b"{}", signer=Ed25519Signer("key-1", b"\7" * 32))) is Reason.BAD_SIGNATURE
    assert reason(resigned(event, b"{}", signer=Ed25519Signer("key-9", b"\7" * 32))) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"revoked_at": MOMENT}, Reason.KEY_REVOKED, id="revoked"),
        pytest.param({"not_after": MOMENT}, Reason.KEY_EXPIRED, id="expired"),
        pytest.param({"sources": ("/shop",)}, Reason.UNKNOWN_KEY, id="another-source"),
    ],
)
def test_a_key_is_judged_for_each_record_at_its_append_time_however_known_the_statement_is(changes, expected):
    first, second, third = batch(3)
    statements = StatementCache()
    verify_event(first, REGISTRY, NOW, statements)
    later = KeyRegistry([signing_key(**changes)])
    assert reason(second, later, statements=statements) is expected
    if expected is not Reason.UNKNOWN_KEY:
        verify_event(third, later, NOW - 1, statements)
        assert reason(third, later, NOW, statements=statements) is expected


def test_a_key_id_that_names_another_key_later_verifies_anew():
    first, second = batch(2)
    statements = StatementCache()
    verify_event(first, REGISTRY, NOW, statements)
    replaced = KeyRegistry([signing_key(public_key=OTHER.public_key)])
    assert reason(second, replaced, statements=statements) is Reason.BAD_SIGNATURE


class Counting:
    """A registry whose one key counts its signature checks."""

    def __init__(self) -> None:
        self.checks = 0
        key = signing_key()
        check = key.verify
        object.__setattr__(key, "verify", lambda *args: (self.count(), check(*args)))
        self.registry = KeyRegistry([key])

    def count(self) -> None:
        self.checks += 1


def test_a_statement_costs_one_check_however_many_records_stand_under_it():
    counting, statements = Counting(), StatementCache()
    for event in batch(50):
        verify_event(event, counting.registry, NOW, statements)
    assert counting.checks == 1


def test_a_flood_under_a_bad_statement_costs_one_check():
    counting, statements = Counting(), StatementCache()
    for event in batch(50, Ed25519Signer("key-1", b"\7" * 32)):
        assert reason(event, counting.registry, statements=statements) is Reason.BAD_SIGNATURE
    assert counting.checks == 1


def test_the_cache_is_bounded_and_an_evicted_statement_is_only_checked_again():
    counting, statements = Counting(), StatementCache()
    first, second = batch(2)
    verify_event(first, counting.registry, NOW, statements)
    junk = encode_envelope(DsseEnvelope(BATCH_PAYLOAD_TYPE, b"", (DsseSignature(b"", "nobody"),)))
    for n in range(KEPT_STATEMENTS):
        statement = json.loads(junk) | {"n": n}
        assert reason(with_members(first, statement=statement), statements=statements) is Reason.UNKNOWN_KEY
    assert len(statements) == KEPT_STATEMENTS
    verify_event(second, counting.registry, NOW, statements)
    assert counting.checks == 2


def test_other_algorithms_and_several_signers_attest_batches_too():
    es256 = Es256Signer("key-3", b"\3" * 32)
    registry = KeyRegistry([signing_key(), signing_key(es256)])
    for event in batch(3, SIGNER, es256):
        assert verify_event(event, registry, NOW).key_ids == ("key-1", "key-3")


@pytest.mark.parametrize("found", [[], [EVENT, msgspec.structs.replace(EVENT, source="/bank/other")]])
def test_refuses_to_sign_what_is_no_batch_of_one_source(found):
    with pytest.raises(SigningRefusedError):
        batch_materials([(event, SIGNED) for event in found], [SIGNER], nonces)


@pytest.mark.parametrize("signers", [[], [SIGNER] * 9])
def test_refuses_to_sign_with_no_key_or_too_many(signers):
    with pytest.raises(SigningRefusedError):
        batch_materials([(EVENT, SIGNED)], signers, nonces)


def test_refuses_to_sign_an_event_that_no_verifier_takes():
    with pytest.raises(SigningRefusedError):
        batch_materials([(EVENT, ("id",))], [SIGNER], nonces)


def test_a_path_is_as_short_as_the_tree_allows():
    root, paths = root_and_paths([leaf_hash(b"%d" % n) for n in range(MAX_BATCH)])
    assert max(map(len, paths)) == MAX_PATH
    assert len(root) == 32
