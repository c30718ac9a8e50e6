"""What a worker signs for each commit, and the certificate that says whose key it is. Storing both is streams.storage.

The worker's private key never reaches the database: a row that somebody adds there has no signature that fits.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from schemas.errors import VerificationFailed

_COMMIT_CONTEXT: Final = "sealstream/commit/v1"
_CHALLENGE_CONTEXT: Final = b"sealstream/worker-challenge/v1\n"


class WorkerKind(StrEnum):
    """What a worker's key is certified for; the value is the context of its certificate."""

    RECORDING = "sealstream/worker/v1"
    """Everything: it takes records in."""
    ASKING = "sealstream/asking-worker/v1"
    """What people do, as the API says it: nothing that it signs proves where a record comes from."""


class BadCommitSignature(VerificationFailed):
    """A commit's signature does not fit its leaves, its watermarks or its worker."""


class BadWorkerCertificate(VerificationFailed):
    """A worker's key was not certified by the platform's authority."""


@dataclass(frozen=True, slots=True)
class CommitStatement:
    """The facts of one commit in one log that its worker answers for.

    Attributes:
        origin: The log's origin, so that a commit can't be moved to another tenant's log.
        leaves_root: RFC 6962 root over the commit's leaf hashes, 32 bytes.
        watermark: The watermark steps of the whole commit as stored, bytes.
    """

    origin: str
    commit_id: int
    leaf_count: int
    leaves_root: bytes
    watermark: bytes

    def to_bytes(self) -> bytes:
        """The signed text: one value a line, in a fixed order; no value can hold a line break."""
        root = base64.b64encode(self.leaves_root).decode()
        mark = base64.b64encode(hashlib.sha256(self.watermark).digest()).decode()
        return f"{_COMMIT_CONTEXT}\n{self.origin}\n{self.commit_id}\n{self.leaf_count}\n{root}\n{mark}\n".encode()


class WorkerKey:
    """One process's signing key: made at start, certified by the authority, gone with the process."""

    def __init__(self, seed: bytes, authority_seed: bytes) -> None:
        self._begin(seed)
        self.certificate: bytes = certify_worker(self.public_key, authority_seed)

    @classmethod
    def certified_by(cls, seed: bytes, certify: "Callable[[WorkerKey], bytes]") -> Self:
        """A key that somebody else certifies: the seed of the authority is not in this process.

        Args:
            certify: Gives the certificate; the key can answer a challenge by then, and sign nothing that counts.
        """
        key = cls.__new__(cls)
        key._begin(seed)
        key.certificate = certify(key)
        return key

    def _begin(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.public_key: bytes = bytes(self._key.verify_key)
        self.worker_id: str = worker_id_of(self.public_key)

    def sign(self, statement: CommitStatement) -> bytes:
        """Ed25519 signature, 64 bytes."""
        return self._key.sign(statement.to_bytes()).signature

    def answer(self, challenge: bytes) -> bytes:
        """Show somebody who made up a challenge that the key is here: Ed25519 signature, 64 bytes."""
        return self._key.sign(_CHALLENGE_CONTEXT + challenge).signature

    def __repr__(self) -> str:
        return f"WorkerKey(worker_id={self.worker_id!r})"


def worker_id_of(public_key: bytes) -> str:
    """Name of a worker: the key names itself, so a certificate can't be given to another name."""
    return "w-" + hashlib.sha256(public_key).hexdigest()[:24]


def authority_public_key(authority_seed: bytes) -> bytes:
    """The key that certifies workers, 32 bytes; verifiers hold it in their trusted root."""
    return bytes(SigningKey(authority_seed).verify_key)


def certify_worker(public_key: bytes, authority_seed: bytes, kind: WorkerKind = WorkerKind.RECORDING) -> bytes:
    """The certificate of a worker's key: Ed25519 signature by the authority, 64 bytes."""
    return SigningKey(authority_seed).sign(_certified_text(public_key, kind)).signature


def check_answer(challenge: bytes, answer: bytes, public_key: bytes) -> None:
    """Check that whoever answered a challenge has the key.

    Raises:
        BadCommitSignature: They have another one.
    """
    try:
        VerifyKey(public_key).verify(_CHALLENGE_CONTEXT + challenge, answer)
    except (BadSignatureError, ValueError) as exc:
        raise BadCommitSignature("a challenge was answered with another key") from exc


def check_worker_certificate(worker_id: str, public_key: bytes, certificate: bytes, authority: bytes) -> WorkerKind:
    """Check that the authority certified this worker's key; returns what for.

    Raises:
        BadWorkerCertificate: The name is not the key's, or the authority did not sign it.
    """
    if len(public_key) != 32 or worker_id_of(public_key) != worker_id:
        raise BadWorkerCertificate(f"worker {worker_id} has a key that is not its own")
    for kind in WorkerKind:
        try:
            VerifyKey(authority).verify(_certified_text(public_key, kind), certificate)
        except (BadSignatureError, ValueError):
            continue
        return kind
    raise BadWorkerCertificate(f"worker {worker_id} was not certified by the authority")


def check_commit_signature(statement: CommitStatement, signature: bytes, public_key: bytes) -> None:
    """Check a commit's signature against its worker's key.

    Raises:
        BadCommitSignature: It doesn't fit.
    """
    try:
        VerifyKey(public_key).verify(statement.to_bytes(), signature)
    except (BadSignatureError, ValueError) as exc:
        raise BadCommitSignature(f"commit {statement.commit_id} of {statement.origin}: bad worker signature") from exc


def _certified_text(public_key: bytes, kind: WorkerKind) -> bytes:
    return f"{kind.value}\n{base64.b64encode(public_key).decode()}\n".encode()
