"""Checks commits before they get a place: their rows fit together, and a certified worker signed them."""

from collections.abc import Collection, Mapping

import structlog

from schemas.errors import VerificationFailed
from security.commit_signature import (
    BadCommitSignature,
    CommitStatement,
    WorkerKind,
    check_commit_signature,
    check_worker_certificate,
)
from security.merkle import HASH_BYTES, packed_root
from streams.storage.sequencing import PendingCommit

log = structlog.get_logger(__name__)


class CommitChecker:
    """Checks commits against the workers' certified keys; a key is checked against the authority once.

    Args:
        kinds: Which workers' commits count.
    """

    def __init__(self, authority: bytes, kinds: Collection[WorkerKind] = tuple(WorkerKind)) -> None:
        self._authority = authority
        self._kinds = kinds
        self._keys: dict[str, bytes] = {}

    def knows(self, worker_id: str) -> bool:
        """Whether this worker's key has been accepted."""
        return worker_id in self._keys

    def learn(self, rows: Mapping[str, tuple[bytes, bytes]]) -> None:
        """Accept the keys that the authority certified; the others stay unknown."""
        for worker_id, (public_key, certificate) in rows.items():
            if worker_id not in self._keys:
                try:
                    kind = check_worker_certificate(worker_id, public_key, certificate, self._authority)
                except VerificationFailed:
                    log.error("sequencer.worker_not_certified", worker_id=worker_id)
                else:
                    if kind in self._kinds:
                        self._keys[worker_id] = public_key

    def check(self, origin: str, commit: PendingCommit) -> None:
        """Refuse a commit whose rows don't fit together or weren't written by a certified worker.

        Raises:
            BadCommitSignature: Which of these it was.
        """
        where = f"commit {commit.commit_id} of {origin}"
        if commit.leaf_count < 1 or len(commit.hashes) != commit.leaf_count * HASH_BYTES:
            raise BadCommitSignature(f"{where}: as many hashes as leaves are needed")
        if packed_root(commit.hashes) != commit.leaves_root:
            raise BadCommitSignature(f"{where}: its root is not the root of its hashes")
        public_key = self._keys.get(commit.worker_id)
        if public_key is None:
            raise BadCommitSignature(f"{where}: worker {commit.worker_id} was not certified by the authority")
        statement = CommitStatement(origin, commit.commit_id, commit.leaf_count, commit.leaves_root, commit.watermark)
        check_commit_signature(statement, commit.signature, public_key)
