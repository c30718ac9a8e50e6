import os
import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError, Rejection
from schemas.events import decode_event
from schemas.events.attributes import MAX_MESSAGE_BYTES
from sealstream.client import Message, SignedRecord, Signer, SigningRefusedError
from security.algorithms import Algorithm
from security.ecdsa import Es256Signer
from security.jwk import Jwk
from security.key_files import load_signer, new_private_jwk, save_private_jwk
from security.key_registry import KeyRegistry, SigningKey
from security.public_key import PublicKey
from security.signing import Ed25519Signer
from security.signing import Signer as Key
from security.source_policy import SourcePolicy
from security.verifiability import VerifiedEvent, verify_event

SOURCE = "urn:bank-a:core"
ANNA, BERTA = Ed25519Signer("anna", b"a" * 32), Es256Signer("berta", b"b" * 32)
PAYMENT = b'{"amount":"5.10","currency":"EUR"}'
MESSAGE = Message(
    id="付款-42",
    type="io.sealstream.transaction.v1",
    data=PAYMENT,
    time="2026-01-31T00:00:00Z",
    subject="account 7",
    extensions={"datalevel": "3", "sequence": "0001", "traceparent": "00-0-0-00", "partitionkey": "p"},
)
README = Path(__file__).parents[2] / "docs" / "producing.md"


def verified(record: SignedRecord, *keys: Key) -> VerifiedEvent:
    registered = [
        SigningKey(
            key_id=key.key_id,
            algorithm=key.algorithm,
            public_key=key.public_key,
            tenant="bank-a",
            domain="core",
            sources=(SOURCE,),
        )
        for key in keys
    ]
    registry = KeyRegistry(registered, [SourcePolicy(source=SOURCE, signatures=len(keys))])
    return verify_event(decode_event(record.headers, record.value), registry, 0)


@dataclass
class KafkaClient:
    """Takes what kafka-python's producer takes."""

    sent: list[tuple[str, SignedRecord]] = field(default_factory=list)

    def send(self, topic: str, *, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> None:
        self.sent.append((topic, SignedRecord(headers, value, key)))


def test_the_five_lines_of_the_guide_send_a_record_that_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, _ = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in lines.splitlines() if line]) <= 5
    save_private_jwk(tmp_path / "bank-1.jwk", new_private_jwk("bank-1", Algorithm.ED25519, os.urandom))
    monkeypatch.chdir(tmp_path)
    producer = KafkaClient()
    exec(lines, {"payment": PAYMENT, "producer": producer})
    ((topic, record),) = producer.sent
    assert topic == "transactions"
    assert record.key == b"42"
    assert verified(record, load_signer(tmp_path / "bank-1.jwk")).event.data == PAYMENT


def test_importing_it_loads_no_broker_database_or_model() -> None:
    code = "import sys, sealstream.client; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"aiohttp", "aiokafka", "asyncpg", "faust", "mode", "numpy", "onnxruntime", "pydantic", "sqlalchemy",
             "structlog", "torch", "typer", "streams", "agents"}  # fmt: skip
    assert "security" in loaded
    assert not heavy & set(loaded)


@pytest.mark.parametrize("keys", [[ANNA], [BERTA], [ANNA, BERTA]], ids=["Ed25519", "ES256", "both"])
def test_what_it_signs_verifies_with_all_that_was_said(keys: list[Key]) -> None:
    signer = Signer(SOURCE, *keys)
    single, (batched, _) = signer.sign(MESSAGE), signer.sign_batch([MESSAGE, replace(MESSAGE, id="43")])
    for record in (single, batched):
        found = verified(record, *keys)
        assert set(found.key_ids) == {key.key_id for key in keys}
        event = found.event
        assert (event.id, event.source, event.type) == (MESSAGE.id, SOURCE, MESSAGE.type)
        assert (event.time, event.subject, event.datacontenttype) == (MESSAGE.time, "account 7", "application/json")
        assert event.data == record.value == PAYMENT
        assert event.extensions == {"datalevel": "3", "sequence": "0001"}


def test_what_hops_may_change_travels_but_is_not_signed() -> None:
    record = Signer(SOURCE, ANNA).sign(MESSAGE)
    assert dict(record.headers)["ce_traceparent"] == b"00-0-0-00"
    changed = [(name, b"other" if name == "ce_traceparent" else text) for name, text in record.headers]
    assert verified(record._replace(headers=changed), ANNA)
    changed = [(name, b"0002" if name == "ce_sequence" else text) for name, text in record.headers]
    with pytest.raises(Rejection, match="digest_mismatch"):
        verified(record._replace(headers=changed), ANNA)


def test_the_key_is_the_id_unless_the_message_has_its_own() -> None:
    assert Signer(SOURCE, ANNA).sign(MESSAGE).key == MESSAGE.id.encode()
    assert Signer(SOURCE, ANNA).sign(replace(MESSAGE, key=b"mine")).key == b"mine"


def test_no_messages_make_no_batch() -> None:
    assert Signer(SOURCE, ANNA).sign_batch([]) == []


def test_key_files_sign_together(tmp_path: Path) -> None:
    for name, algorithm in (("anna", Algorithm.ED25519), ("berta", Algorithm.ES384)):
        save_private_jwk(tmp_path / name, new_private_jwk(name, algorithm, os.urandom))
    record = Signer.from_key_file(tmp_path / "anna", tmp_path / "berta", source=SOURCE).sign(MESSAGE)
    keys = [load_signer(tmp_path / name) for name in ("anna", "berta")]
    assert set(verified(record, *keys).key_ids) == {"anna", "berta"}
    (tmp_path / "anna").chmod(0o640)
    with pytest.raises(ConfigurationError, match="open to others"):
        Signer.from_key_file(tmp_path / "anna", source=SOURCE)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"id": ""}, "attribute id is missing or empty", id="no-id"),
        pytest.param({"id": "a\0b"}, "attribute id holds a control character", id="nul"),
        pytest.param({"id": "\ud800"}, "not Unicode text", id="lone-surrogate"),
        pytest.param({"id": "9" * 1025}, "attribute id is longer than 1024 bytes", id="long-id"),
        pytest.param({"type": ""}, "attribute type is missing or empty", id="no-type"),
        pytest.param({"time": "yesterday"}, "attribute time is not an RFC 3339", id="time"),
        pytest.param({"time": "2026-01-31T00:00:00"}, "attribute time is not an RFC 3339", id="time-without-zone"),
        pytest.param({"time": ""}, "empty", id="empty-time"),
        pytest.param({"subject": ""}, "empty", id="empty-subject"),
        pytest.param({"datacontenttype": ""}, "empty", id="no-media-type"),
        pytest.param({"datacontenttype": "application/cloudevents+json"}, "binary mode", id="event-in-event"),
        pytest.param({"extensions": {"sequence": ""}}, "empty", id="empty-extension"),
        pytest.param({"extensions": {"Data-Level": "3"}}, "does not name an attribute", id="extension-name"),
        pytest.param({"extensions": {"data": "3"}}, "does not name an attribute", id="extension-data"),
        pytest.param({"extensions": {"id": "3"}}, "given twice", id="core-attribute-as-extension"),
        pytest.param({"extensions": {"dssematerial": "AAAA"}}, "signature material", id="material"),
        pytest.param({"extensions": {"expirytime": "soon"}}, "attribute expirytime", id="timestamp-extension"),
        pytest.param({"extensions": {f"e{n}": "1" for n in range(65)}}, "more than 64", id="extensions"),
        pytest.param({"data": bytes(MAX_MESSAGE_BYTES + 1)}, "longer than", id="data"),
    ],
)
def test_what_receivers_would_refuse_is_refused_before_it_is_signed(change: dict[str, object], text: str) -> None:
    bad = replace(MESSAGE, **change)  # type: ignore[arg-type]
    signer = Signer(SOURCE, ANNA)
    with pytest.raises(SigningRefusedError, match=text):
        signer.sign(bad)
    with pytest.raises(SigningRefusedError, match=text):
        signer.sign_batch([MESSAGE, bad])


@pytest.mark.parametrize(
    ("source", "keys", "text"),
    [
        pytest.param("", [ANNA], "source", id="no-source"),
        pytest.param(SOURCE, [], "1 to 8 keys", id="no-key"),
        pytest.param(SOURCE, [Ed25519Signer(f"k{n}", bytes([n] * 32)) for n in range(9)], "1 to 8 keys", id="nine"),
        pytest.param(SOURCE, [ANNA, ANNA], "given twice", id="twice"),
        pytest.param(SOURCE, [ANNA, Ed25519Signer("other name", b"a" * 32)], "given twice", id="same-key"),
        pytest.param(SOURCE, [ANNA, Ed25519Signer("anna", b"x" * 32)], "given twice", id="same-name"),
    ],
)
def test_keys_that_would_not_count_are_refused(source: str, keys: list[Key], text: str) -> None:
    with pytest.raises(SigningRefusedError, match=text):
        Signer(source, *keys)


class Device:
    """An HSM whose record is about another key than it signs with."""

    key_id = "device"
    algorithm = Algorithm.ED25519

    def __init__(self, *, says: PublicKey, signs: Key) -> None:
        self.public_key, self._signs = says, signs
        self.jwk = Jwk(says, self.algorithm, self.key_id)

    def sign(self, message: bytes) -> bytes:
        return self._signs.sign(message)


@pytest.mark.parametrize("cosigners", [[], [BERTA]], ids=["alone", "beside-a-sound-one"])
def test_a_device_whose_signatures_do_not_verify_is_found_at_the_first_record(cosigners: list[Key]) -> None:
    assert Signer(SOURCE, *cosigners, Device(says=ANNA.public_key, signs=ANNA)).sign(MESSAGE)
    signer = Signer(SOURCE, *cosigners, Device(says=ANNA.public_key, signs=BERTA))
    for _ in range(2):
        with pytest.raises(SigningRefusedError, match="does not verify"):
            signer.sign(MESSAGE)
    with pytest.raises(SigningRefusedError, match="does not verify"):
        signer.sign_batch([MESSAGE])


def test_no_value_shows_in_a_repr() -> None:
    signer = Signer(SOURCE, ANNA)
    text = f"{MESSAGE!r} {signer.sign(MESSAGE)!r} {signer!r}"
    assert "5.10" not in text
    assert "account 7" not in text
    assert "Signer('urn:bank-a:core', anna)" in text
