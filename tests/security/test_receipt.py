"""Verifying receipts with the package; the same cases go to the other verifiers in tests/interop."""

import subprocess
import sys

import pytest

from schemas.errors import VerificationFailed
from schemas.leaf import LEAF_VERSION, Leaf, encode_leaf
from schemas.receipt import Receipt, decode_receipt
from security.commitment import UnknownCommitments
from security.disclosed_field import FieldMismatch, open_commitment
from security.hmac_sha256 import hmac_sha256
from security.hmac_sm3 import hmac_sm3
from security.note import Signer
from security.receipt import TrustedLog, verify_receipt
from tests.support.processes import environment
from tests.support.receipts import (
    ALONE,
    FIELDS,
    KEY,
    LOG,
    ORIGIN,
    SIZE,
    SOURCE,
    Entry,
    SampleLog,
    good_receipts,
    sample_log,
)
from tests.support.tampered_receipts import TAMPERED, oversized

WITNESS = Signer("witness.example.org", b"witness".ljust(32, b"."))
TRUSTED = TrustedLog(keys=[LOG.verifier], origin=ORIGIN)


def established(data: bytes, **options: bool) -> dict[str, str]:
    return {each.item: each.detail for each in verify_receipt(decode_receipt(data), TRUSTED, **options)}


@pytest.mark.parametrize("name", good_receipts())
def test_a_good_receipt_is_accepted(name: str) -> None:
    receipt = decode_receipt(good_receipts()[name])
    items = [each.item for each in verify_receipt(receipt, TRUSTED)]
    expected = ["log signature", "inclusion", "leaf", *(f"field {field}" for field in receipt.fields)]
    expected += ["accepted leaf"] if receipt.accepted is not None else []
    assert items == expected + (["producer signature", "message"] if receipt.message is not None else [])


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_receipt_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(VerificationFailed) as caught:
        verify_receipt(decode_receipt(TAMPERED[name].make()), TRUSTED)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    assert "125.4" not in text


@pytest.mark.parametrize("name", [name for name, case in TAMPERED.items() if case.part != "log"])
def test_what_is_wrong_with_fields_and_message_says_nothing_about_the_leaf(name: str) -> None:
    try:
        receipt = decode_receipt(TAMPERED[name].make())
    except VerificationFailed:
        return  # its form is wrong: nothing of it is looked at
    items = [each.item for each in verify_receipt(receipt, TRUSTED, leaf_only=True)]
    assert items == ["log signature", "inclusion", "leaf"]


def test_what_was_established_is_said_item_by_item() -> None:
    found = established(good_receipts()["alone"])
    assert found["log signature"] == f"by {ORIGIN}, size {SIZE}"
    assert found["inclusion"] == f"index {ALONE} of {SIZE}"
    assert "model transaction_kind/1/abab" in found["leaf"]
    assert {name: found[f"field {name}"] for name in FIELDS} == FIELDS
    assert found["producer signature"].startswith(f"{SOURCE}, signed by {KEY.jwk.key_id} (")
    assert found["message"] == "all of it as received: headers, key and value; the record is the message"


def test_of_an_item_only_what_was_signed_is_established() -> None:
    found = established(good_receipts()["item"])
    assert found["message"] == ("what was signed: core attributes, data, signed extensions; the record is its item 2")


def test_an_oversized_file_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="larger than"):
        decode_receipt(oversized())


def test_a_receipt_of_a_log_that_is_not_trusted_is_refused() -> None:
    other = Signer(ORIGIN, b"another key".ljust(32, b"."))
    receipt = decode_receipt(good_receipts()["alone"])
    for log in (
        TrustedLog(keys=[other.verifier], origin=ORIGIN),
        TrustedLog(keys=[LOG.verifier], origin="logs.example.org/bank-b"),
        TrustedLog(keys=[WITNESS.verifier], origin=ORIGIN),
    ):
        with pytest.raises(VerificationFailed):
            verify_receipt(receipt, log)


@pytest.mark.parametrize(
    ("name", "wanted", "good"), [("cosigned", 1, True), ("alone", 1, False), ("cosigned", 2, False)]
)
def test_witnesses_are_counted(name: str, wanted: int, good: bool) -> None:
    log = TrustedLog(keys=[LOG.verifier], origin=ORIGIN, witnesses=[WITNESS.verifier], min_witnesses=wanted)
    receipt = decode_receipt(good_receipts()[name])
    if good:
        assert "cosigned by 1 or more known witnesses" in verify_receipt(receipt, log)[0].detail
    else:
        with pytest.raises(VerificationFailed, match="witnesses have cosigned"):
            verify_receipt(receipt, log)


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(b"no JSON", id="no-json"),
        pytest.param(b'{"commit":1,"kind":"read","time":"t","v":2}', id="another-version"),
        pytest.param(b'{"commit":1,"fields":{},"fields":{},"kind":"read","time":"t","v":1}', id="a-member-twice"),
    ],
)
def test_a_leaf_that_two_readers_could_read_in_two_ways_is_refused(leaf: bytes) -> None:
    log = SampleLog(LOG, (Entry(leaf, {}),))
    with pytest.raises(VerificationFailed, match="leaf"):
        verify_receipt(log.receipt(0, 1), TRUSTED)


def test_a_plain_label_is_no_commitment() -> None:
    fields = {"label": sample_log().entries[ALONE].fields["label"]}
    leaf = encode_leaf(Leaf(v=LEAF_VERSION, commit=1, kind="result", time="t", label="salary"))
    with pytest.raises(VerificationFailed, match="label"):
        verify_receipt(SampleLog(LOG, (Entry(leaf, fields),)).receipt(0, 1), TRUSTED)


def test_neither_values_nor_messages_are_in_a_representation() -> None:
    shown = repr(decode_receipt(good_receipts()["alone"]))
    assert "125.40" not in shown
    assert isinstance(sample_log().receipt(ALONE), Receipt)


def test_the_verifier_loads_nothing_that_opens_a_file_a_socket_or_a_database() -> None:
    program = (
        "import sys, security.receipt, security.receipt_message\n"
        "print([name for name in ('aiohttp', 'aiokafka', 'asyncpg', 'faust', 'pydantic', 'pydantic_settings',"
        " 'sqlalchemy', 'structlog', 'lxml', 'numpy', 'streams', 'agents', 'sealstream') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment({}), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_commitments_are_checked_with_the_hash_that_the_leaf_names() -> None:
    salt, value = bytes(16), b"5.10"

    def leaf(commitments: str | None) -> Leaf:
        return Leaf(v=LEAF_VERSION, commit=1, kind="result", time="t", commitments=commitments)

    open_commitment(leaf("hmac-sm3"), hmac_sm3(salt, value), salt, value, "a field")
    open_commitment(leaf(None), hmac_sha256(salt, value), salt, value, "a field")
    for kind, made in (("hmac-sm3", hmac_sha256(salt, value)), (None, hmac_sm3(salt, value))):
        with pytest.raises(FieldMismatch):
            open_commitment(leaf(kind), made, salt, value, "a field")
    with pytest.raises(UnknownCommitments):
        open_commitment(leaf("hmac-md5"), hmac_sha256(salt, value), salt, value, "a field")
