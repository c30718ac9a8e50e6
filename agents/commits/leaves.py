"""Collect the leaves of one commit, log by log, and turn them into the rows that prove them."""

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from schemas.leaf import Leaf, NewLeaf, encode_leaf
from security.commit_signature import CommitStatement, WorkerKey
from security.merkle import packed_leaf_hashes, packed_root
from streams.storage.commit_rows import Row

NO_WATERMARK: Final = b""


@dataclass(frozen=True, slots=True)
class LogRef:
    """A tenant's log, as leaves and signatures name it."""

    log_id: int
    tenant: str
    origin: str


@dataclass(slots=True)
class _Bundle:
    log: LogRef
    leaves: list[bytes] = field(default_factory=list)


class LeafBatch:
    """The leaves of one commit. Each log gets a bundle, its leaves' root, and the worker's signature over it."""

    def __init__(self, commit_id: int, worker: WorkerKey, watermark: bytes = NO_WATERMARK) -> None:
        self.commit_id = commit_id
        self._worker = worker
        self._watermark = watermark
        self._bundles: dict[int, _Bundle] = {}

    def add(self, log: LogRef, leaf: Leaf | NewLeaf) -> int:
        """Append a leaf to its log's bundle; returns its ordinal within the commit."""
        return self.add_encoded(log, encode_leaf(leaf))

    def add_encoded(self, log: LogRef, body: bytes) -> int:
        """Append the bytes of a leaf; returns its ordinal within the commit."""
        bundle = self._bundles.get(log.log_id)
        if bundle is None:
            bundle = self._bundles[log.log_id] = _Bundle(log)
        bundle.leaves.append(body)
        return len(bundle.leaves) - 1

    def commit_rows(self) -> list[Row]:
        """Rows of table commits, one for each log, signed."""
        rows: list[Row] = []
        for bundle in self._bundles.values():
            hashes = packed_leaf_hashes(bundle.leaves)
            root = packed_root(hashes)
            count = len(bundle.leaves)
            statement = CommitStatement(bundle.log.origin, self.commit_id, count, root, self._watermark)
            rows.append(
                (
                    bundle.log.log_id,
                    self.commit_id,
                    count,
                    root,
                    hashes,
                    self._watermark,
                    self._worker.worker_id,
                    self._worker.sign(statement),
                )
            )
        return rows

    def bundle_rows(self) -> list[Row]:
        """Rows of table bundles, one for each log."""
        return [
            (bundle.log.log_id, self.commit_id, list(accumulate(map(len, bundle.leaves))), b"".join(bundle.leaves))
            for bundle in self._bundles.values()
        ]
