import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.commits.leaves import LogRef
from agents.commits.outcomes import MessageOutcome, Owner
from agents.intake.door import Intake
from schemas.reasons import Reason
from sealstream.client import Message, Signer
from sealstream.feeds.fault import Fault
from sealstream.samples.spoiling import spoil
from security.jwk import Jwk
from security.key_registry import KeyRegistry, SigningKey
from security.signing import Ed25519Signer, Es256Signer
from security.signing import Signer as Key
from tests.interop.programs import Event, Program, Record, go_program, node_program, text_of
from tests.support import messages
from tests.support.installation import CLUSTER

SOURCE = "urn:bank-a:core"
SIGNED = ["sequence", "datalevel", "expirytime", "absent"]
BANK = Owner(LogRef(2, "bank-a", "o/bank-a"), "core")
PLATFORM = Owner(LogRef(1, "platform", "o/platform"), "intake")
ALGORITHMS = ["Ed25519", "ES256"]
# One, whole, and ragged trees.
SIZES = [1, 2, 3, 7, 8]
REFUSALS = {
    Fault.TAMPERED_PAYLOAD: Reason.DIGEST_MISMATCH,
    Fault.TAMPERED_ATTRIBUTE: Reason.DIGEST_MISMATCH,
    Fault.TAMPERED_SIGNATURE: Reason.BAD_SIGNATURE,
    Fault.UNSIGNED: Reason.MISSING_SIGNATURE,
    Fault.REPEATED_HEADER: Reason.MALFORMED,
    Fault.MISSING_ATTRIBUTE: Reason.MALFORMED,
}


@pytest.fixture(scope="module", params=[go_program, node_program], ids=["go", "node"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    build: Callable[[Path], Program] = request.param
    return build(tmp_path_factory.mktemp("interop"))


def event(name: str) -> Event:
    data = json.dumps({"amount": "5.10", "counterparty_name": "Zoé 李"}, ensure_ascii=False).encode()
    attributes = {
        "id": f"付款-{name}",
        "source": SOURCE,
        "specversion": "1.0",
        "type": "io.sealstream.transaction.v1",
        "datacontenttype": "application/json",
        "subject": "account 7",
        "time": "2026-01-31T23:30:59.999+02:00",
        "sequence": f"{name:0>8}",
        "datalevel": "3",
        "expirytime": "2026-02-28T23:59:59.5-03:00",
        "hint": "not signed",
    }
    return {"attributes": attributes, "data": text_of(data)}


def message(name: str) -> Message:
    said = event(name)["attributes"]
    return Message(
        id=said["id"],
        type=said["type"],
        data=b'{"amount":"5.10"}',
        time=said["time"],
        subject=said["subject"],
        extensions={"sequence": said["sequence"], "datalevel": "3", "expirytime": said["expirytime"]},
    )


def taken_in(key: Jwk, record: Record) -> MessageOutcome:
    """What our intake makes of a record."""
    registered = SigningKey(
        key_id=key.key_id or "",
        algorithm=key.algorithm,
        public_key=key.public_key,
        tenant="bank-a",
        domain="core",
        sources=(SOURCE,),
    )
    intake = Intake(
        CLUSTER, KeyRegistry([registered]), {("bank-a", "core"): BANK}, PLATFORM, lambda tenant, name: b"k" * 32
    )
    (outcome,) = intake.verify([messages.Record("transactions", 0, 0, *record)])
    return outcome


def own_key(algorithm: str) -> Key:
    return Ed25519Signer("bank-1", b"k" * 32) if algorithm == "Ed25519" else Es256Signer("bank-1", b"k" * 32)


def ours(algorithm: str, *, batch: bool) -> Record:
    signer = Signer(SOURCE, own_key(algorithm))
    records = signer.sign_batch([message(str(n)) for n in range(5)]) if batch else [signer.sign(message("0"))]
    return records[-1].headers, records[-1].value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [None, *SIZES], ids=["single", *map(str, SIZES)])
def test_what_the_program_signs_our_intake_takes_in(program: Program, algorithm: str, size: int | None) -> None:
    events = [event(str(n)) for n in range(size or 2)]
    key, records = program.sign(algorithm, "bank-1", events, SIGNED, batch=size is not None)
    for said, record in zip(events, records, strict=True):
        outcome = taken_in(key, record)
        assert outcome.rejection is None
        assert outcome.owner is BANK
        assert outcome.event is not None
        found = outcome.event.event
        assert (found.id, found.subject, found.time) == (said["attributes"]["id"], "account 7", "2026-01-31T21:30:59Z")
        assert found.extensions == {
            "sequence": said["attributes"]["sequence"],
            "datalevel": "3",
            "expirytime": "2026-03-01T02:59:59Z",
        }


@pytest.mark.parametrize("fault", REFUSALS, ids=str)
@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
def test_what_was_changed_on_the_way_our_intake_refuses(program: Program, batch: bool, fault: Fault) -> None:
    key, records = program.sign("ES256", "bank-1", [event("0"), event("1")], SIGNED, batch=batch)
    outcome = taken_in(key, spoil(*records[1], fault))
    assert outcome.rejection is not None
    assert outcome.rejection.reason is REFUSALS[fault]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_batch_of_one_source_vouches_for_no_other(program: Program, algorithm: str) -> None:
    elsewhere = event("1")
    elsewhere["attributes"]["source"] = f"{SOURCE}:other"
    key, records = program.sign(algorithm, "bank-1", [elsewhere, event("0")], SIGNED, batch=True)
    outcome = taken_in(key, records[1])
    assert outcome.rejection is not None
    assert outcome.rejection.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [None, *SIZES], ids=["single", *map(str, SIZES)])
def test_what_we_sign_the_program_verifies(program: Program, algorithm: str, size: int | None) -> None:
    signer = Signer(SOURCE, own_key(algorithm))
    asked = [message(str(n)) for n in range(size or 1)]
    records = [signer.sign(asked[0])] if size is None else signer.sign_batch(asked)
    found = program.verify(own_key(algorithm).jwk, [(record.headers, record.value) for record in records])
    for said, result in zip(asked, found, strict=True):
        assert isinstance(result, dict), result
        assert result["data"] == text_of(said.data)
        attributes = result["attributes"]
        assert (attributes["id"], attributes["source"], attributes["time"]) == (said.id, SOURCE, said.time)
        assert attributes["sequence"] == said.extensions["sequence"]


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_changed_on_the_way_the_program_refuses(program: Program, algorithm: str, batch: bool) -> None:
    headers, value = ours(algorithm, batch=batch)
    changed = [spoil(headers, value, fault) for fault in REFUSALS]
    late = [(name, b"99" if name == "ce_sequence" else text) for name, text in headers]
    found = program.verify(own_key(algorithm).jwk, [(headers, value), *changed, (late, value)])
    assert isinstance(found[0], dict)
    assert [result for result in found[1:] if not isinstance(result, str)] == []


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_program_refuses_what_another_key_signed(program: Program, algorithm: str, batch: bool) -> None:
    stranger = Ed25519Signer("x", b"x" * 32) if algorithm == "Ed25519" else Es256Signer("x", b"x" * 32)
    (result,) = program.verify(stranger.jwk, [ours(algorithm, batch=batch)])
    assert result == "no signature holds"
