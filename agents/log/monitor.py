"""Follows a log as somebody who trusts its key and nothing else: every step must extend the last one, leaf by leaf.

Where the log comes from is behind a protocol: a server somewhere, or our own database.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, verify_checkpoint
from security.merkle import packed_leaf_hashes, verify_consistency
from security.note import Verifier
from security.proof import consistency_proof, consistency_tiles
from security.tiles import TILE_WIDTH, BundleAddress, HashReader, RightEdge, TileAddress, parse_bundle, partial_tiles

NOTHING: Final = Checkpoint("", 0, RightEdge().root())


class LogSource(Protocol):
    """Where a log is read from.

    All of them raise Unavailable while it can't be reached, and VerificationFailed where it is not what it must be.
    """

    async def checkpoint(self) -> bytes:
        """The newest checkpoint, as a note."""
        ...

    async def tile(self, address: TileAddress) -> bytes | None:
        """A tile as wide as asked for; None where it is not shown."""
        ...

    async def bundle(self, address: BundleAddress) -> bytes | None:
        """An entry bundle as wide as asked for; None where it is not shown."""
        ...


class LogAlarm(VerificationFailed):
    """The log is not what it was, or not what it signed.

    Attributes:
        before: The last checkpoint that was verified; None where there was none.
        now: What it shows instead.
    """

    def __init__(self, what: str, before: bytes | None, now: bytes) -> None:
        super().__init__(what)
        self.before = before
        self.now = now


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that was verified down to its leaves."""

    note: bytes
    checkpoint: Checkpoint


class LogMonitor:
    """One log.

    Args:
        log_keys: Keys that the log signs with; its origin is their name.
        witness_keys: Witnesses whose cosignatures must be good where they are shown.
        last: What was seen before.
    """

    def __init__(
        self,
        source: LogSource,
        log_keys: Collection[Verifier],
        witness_keys: Collection[Verifier] = (),
        last: Seen | None = None,
    ) -> None:
        self._source = source
        self._log_keys = log_keys
        self._witness_keys = witness_keys
        self.last = last

    def read(self, note: bytes) -> Seen:
        """A note as this log's, its signatures verified.

        Raises:
            VerificationFailed: It is not.
        """
        origin = next(iter(self._log_keys)).name
        return Seen(note, verify_checkpoint(note, origin, self._log_keys, self._witness_keys))

    async def look(self, progress: Callable[[int], None] = lambda leaves: None) -> Seen | None:
        """Verify what is new; returns it, or None where the log has not grown.

        Args:
            progress: Told how many leaves are checked so far.

        Raises:
            LogAlarm: It is a fork, a rollback, or badly signed; or leaves and tiles don't give what was signed.
            Unavailable: The log can't be reached.
        """
        note = await self._source.checkpoint()
        before = self.last.checkpoint if self.last else NOTHING
        try:
            seen = self.read(note)
            now = seen.checkpoint
            if now.size < before.size:
                raise VerificationFailed(f"the log had {before.size} leaves, and shows a checkpoint of {now.size}")
            if now.size == before.size:
                if now.root != before.root:
                    raise VerificationFailed(f"the log has two roots of {now.size} leaves")
                if self.last is not None:
                    return None
            await self._check_extends(before, now)
            await self._check_leaves(before, now, progress)
        except VerificationFailed as exc:
            raise LogAlarm(str(exc), self.last.note if self.last else None, note) from exc
        self.last = seen
        return seen

    async def _check_extends(self, before: Checkpoint, now: Checkpoint) -> None:
        if not before.size or before.size == now.size:
            return
        tiles = await self._tiles(consistency_tiles(before.size, now.size))
        proof = consistency_proof(before.size, now.size, HashReader(now.size, tiles.get))
        verify_consistency(before.size, now.size, proof, before.root, now.root)

    async def _check_leaves(self, before: Checkpoint, now: Checkpoint, progress: Callable[[int], None]) -> None:
        """Build the tree on from where it was, of what the entries hash to."""
        edge = RightEdge.from_tiles(before.size, (await self._tiles(partial_tiles(before.size))).get)
        if edge.root() != before.root:
            raise VerificationFailed(f"the tiles shown don't give the root of {before.size} leaves any more")
        while edge.size < now.size:
            index, known = divmod(edge.size, TILE_WIDTH)
            address = BundleAddress(index, min(TILE_WIDTH, now.size - index * TILE_WIDTH))
            bundle = await self._source.bundle(address)
            entries = parse_bundle(bundle) if bundle is not None else []
            if len(entries) != address.width:
                raise VerificationFailed(f"{address.path} is not shown whole")
            _, edge = edge.advance(packed_leaf_hashes(entries[known:]))
            progress(edge.size)
        if edge.root() != now.root:
            raise VerificationFailed(f"the entries shown don't give the signed root of {now.size} leaves")

    async def _tiles(self, addresses: Iterable[TileAddress]) -> dict[TileAddress, bytes]:
        found = {address: await self._source.tile(address) for address in addresses}
        return {address: hashes for address, hashes in found.items() if hashes is not None}
