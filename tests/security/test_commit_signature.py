import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from security.commit_signature import (
    BadCommitSignature,
    BadWorkerCertificate,
    CommitStatement,
    WorkerKey,
    WorkerKind,
    authority_public_key,
    check_commit_signature,
    check_worker_certificate,
    worker_id_of,
)

AUTHORITY = b"a" * 32
WORKER = WorkerKey(b"w" * 32, AUTHORITY)
STATEMENT = CommitStatement("example.org/logs/t", 7, 3, b"r" * 32, b'{"steps":[]}')


def test_a_worker_s_signature_holds_under_its_own_key_alone() -> None:
    signature = WORKER.sign(STATEMENT)
    check_commit_signature(STATEMENT, signature, WORKER.public_key)
    with pytest.raises(BadCommitSignature):
        check_commit_signature(STATEMENT, signature, WorkerKey(b"x" * 32, AUTHORITY).public_key)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"origin": "example.org/logs/u"}, id="another-log"),
        pytest.param({"commit_id": 8}, id="another-commit"),
        pytest.param({"leaf_count": 2}, id="fewer-leaves"),
        pytest.param({"leaves_root": b"s" * 32}, id="other-leaves"),
        pytest.param({"watermark": b'{"steps":[1]}'}, id="other-progress"),
        pytest.param({"watermark": b""}, id="no-progress"),
    ],
)
def test_a_signature_covers_every_fact(change: dict[str, object]) -> None:
    other = dataclasses.replace(STATEMENT, **change)  # type: ignore[arg-type]
    assert other.to_bytes() != STATEMENT.to_bytes()
    with pytest.raises(BadCommitSignature, match=f"commit {other.commit_id}"):
        check_commit_signature(other, WORKER.sign(STATEMENT), WORKER.public_key)


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_whatever_stands_for_a_signature_or_a_key_is_refused_and_no_crash(signature: bytes, key: bytes) -> None:
    with pytest.raises(BadCommitSignature):
        check_commit_signature(STATEMENT, signature, WORKER.public_key)
    with pytest.raises(BadCommitSignature):
        check_commit_signature(STATEMENT, WORKER.sign(STATEMENT), key)
    with pytest.raises(BadWorkerCertificate):
        check_worker_certificate(WORKER.worker_id, key, WORKER.certificate, authority_public_key(AUTHORITY))
    with pytest.raises(BadWorkerCertificate):
        check_worker_certificate(WORKER.worker_id, WORKER.public_key, signature, authority_public_key(AUTHORITY))


def test_the_authority_certifies_a_key_under_the_key_s_own_name() -> None:
    authority = authority_public_key(AUTHORITY)
    kind = check_worker_certificate(WORKER.worker_id, WORKER.public_key, WORKER.certificate, authority)
    assert kind is WorkerKind.RECORDING
    other = WorkerKey(b"x" * 32, AUTHORITY)
    for name, key, certificate, by in (
        (WORKER.worker_id, other.public_key, other.certificate, authority),
        (other.worker_id, WORKER.public_key, WORKER.certificate, authority),
        (WORKER.worker_id, WORKER.public_key, other.certificate, authority),
        (WORKER.worker_id, WORKER.public_key, WORKER.certificate, authority_public_key(b"b" * 32)),
        (WORKER.worker_id, WORKER.public_key, WORKER.sign(STATEMENT), authority),
    ):
        with pytest.raises(BadWorkerCertificate) as caught:
            check_worker_certificate(name, key, certificate, by)
        assert isinstance(caught.value, VerificationFailed)


def test_a_certificate_is_no_commit_signature_and_the_other_way_round() -> None:
    with pytest.raises(BadCommitSignature):
        check_commit_signature(STATEMENT, WORKER.certificate, authority_public_key(AUTHORITY))


def test_a_worker_shows_its_name_and_never_its_key() -> None:
    assert repr(WORKER) == f"WorkerKey(worker_id={worker_id_of(WORKER.public_key)!r})"
    assert (b"w" * 32).hex() not in repr(WORKER)
