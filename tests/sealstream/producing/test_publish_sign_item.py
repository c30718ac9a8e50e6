from dataclasses import replace

import pytest

from schemas.errors import Rejection
from schemas.events import decode_event
from schemas.reasons import Reason
from sealstream.client import Signer
from sealstream.feeds import Fault, FeedItem
from sealstream.producing.signed_items import sign_batch, sign_item
from security.key_registry import KeyRegistry, SigningKey
from security.signing import Ed25519Signer
from security.verifiability import SigningRefusedError, VerifiedEvent, verify_event

SIGNER = Ed25519Signer("k", b"k" * 32)
PRODUCER = Signer("urn:test", SIGNER)
REGISTRY = KeyRegistry(
    [
        SigningKey(
            key_id="k",
            algorithm=SIGNER.algorithm,
            public_key=SIGNER.public_key,
            tenant="t",
            domain="d",
            sources=("urn:test",),
        )
    ]
)
ITEM = FeedItem(
    topic="transactions",
    type="io.sealstream.transaction.v1",
    id="付款-1",
    data=b'{"amount":"5.10"}',
    datacontenttype="application/json",
    time="2026-01-31T00:00:00Z",
    extensions=(("datalevel", "3"), ("dataclassification", "confidential")),
)
ENVELOPE_FAULTS = [
    Fault.TAMPERED_PAYLOAD,
    Fault.TAMPERED_ATTRIBUTE,
    Fault.TAMPERED_SIGNATURE,
    Fault.UNSIGNED,
    Fault.REPEATED_HEADER,
    Fault.MISSING_ATTRIBUTE,
    Fault.NUL_IN_ID,
]
BARE = replace(ITEM, extensions=(), time=None, data=b"")


def verified(item: FeedItem) -> VerifiedEvent:
    headers, value, _ = sign_item(item, PRODUCER)
    return verify_event(decode_event(headers, value), REGISTRY, 0)


@pytest.mark.parametrize("item", [ITEM, BARE], ids=["full", "bare"])
def test_a_sound_item_verifies_with_everything_it_said(item: FeedItem) -> None:
    event = verified(item).event
    assert (event.id, event.source, event.type, event.time) == (item.id, "urn:test", item.type, item.time)
    assert (event.datacontenttype, event.data or b"") == ("application/json", item.data)
    assert event.extensions == dict(item.extensions)


def test_the_key_is_the_id_unless_the_item_has_its_own() -> None:
    assert sign_item(ITEM, PRODUCER)[2] == "付款-1".encode()
    assert sign_item(replace(ITEM, key=b"mine"), PRODUCER)[2] == b"mine"


@pytest.mark.parametrize("item", [ITEM, BARE], ids=["full", "bare"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.TAMPERED_PAYLOAD, Reason.DIGEST_MISMATCH),
        (Fault.TAMPERED_ATTRIBUTE, Reason.DIGEST_MISMATCH),
        (Fault.TAMPERED_SIGNATURE, Reason.BAD_SIGNATURE),
        (Fault.UNSIGNED, Reason.MISSING_SIGNATURE),
        (Fault.REPEATED_HEADER, Reason.MALFORMED),
        (Fault.MISSING_ATTRIBUTE, Reason.MALFORMED),
        (Fault.NUL_IN_ID, Reason.MALFORMED),
    ],
    ids=str,
)
def test_a_fault_of_the_envelope_is_refused_with_its_reason(item: FeedItem, fault: Fault, reason: Reason) -> None:
    with pytest.raises(Rejection) as caught:
        verified(replace(item, fault=fault))
    assert caught.value.reason is reason is fault.reason


def test_a_batch_comes_back_in_order_and_every_record_verifies_alone() -> None:
    items = [replace(ITEM, id=str(number)) for number in range(5)]
    for item, (headers, value, key) in zip(items, sign_batch(items, PRODUCER), strict=True):
        event = verify_event(decode_event(headers, value), REGISTRY, 0).event
        assert (event.id, key, event.extensions) == (item.id, item.id.encode(), dict(item.extensions))
        assert "ce_dssematerial" not in dict(headers)


@pytest.mark.parametrize("fault", ENVELOPE_FAULTS, ids=str)
def test_a_fault_in_a_batch_has_its_reason_and_costs_its_neighbours_nothing(fault: Fault) -> None:
    items = [ITEM, replace(ITEM, id="2", fault=fault), replace(ITEM, id="3")]
    first, spoiled, last = sign_batch(items, PRODUCER)
    for headers, value, _ in (first, last):
        verify_event(decode_event(headers, value), REGISTRY, 0)
    with pytest.raises(Rejection) as caught:
        verify_event(decode_event(*spoiled[:2]), REGISTRY, 0)
    assert caught.value.reason is fault.reason


def test_an_unknown_key_is_refused() -> None:
    headers, value, _ = sign_item(
        replace(ITEM, fault=Fault.UNKNOWN_KEY), Signer("urn:test", Ed25519Signer("x", b"x" * 32))
    )
    with pytest.raises(Rejection) as caught:
        verify_event(decode_event(headers, value), REGISTRY, 0)
    assert caught.value.reason is Reason.UNKNOWN_KEY


def test_a_time_that_is_none_is_refused_before_signing() -> None:
    with pytest.raises(SigningRefusedError):
        sign_item(replace(ITEM, time="yesterday"), PRODUCER)
