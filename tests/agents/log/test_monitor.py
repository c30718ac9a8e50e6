"""A monitor against logs in memory that grow, shrink, fork and lie."""

import pytest

from agents.log.monitor import LogAlarm, LogMonitor, Seen
from security.checkpoint import Checkpoint, sign_checkpoint
from security.cosignature import Cosigner
from security.merkle import packed_leaf_hashes
from security.note import Signer
from security.tiles import BundleAddress, RightEdge, TileAddress, changed_tiles, encode_bundle
from tests.support.witness_log import ORIGIN

LOG = Signer(ORIGIN, bytes(32))
WITNESS = Cosigner("witness.example/w", bytes(32))


class MemoryLog:
    """A log as it is shown: of these entries, unless something was put in their place."""

    def __init__(self, kind: str = "entry", size: int = 0) -> None:
        self.kind = kind
        self.size = size
        self.signer = LOG
        self.note: bytes | None = None
        self.changed: dict[str, bytes | None] = {}

    def entries(self, size: int) -> list[bytes]:
        return [f"{self.kind} {n}".encode() for n in range(size)]

    async def checkpoint(self) -> bytes:
        _, edge = RightEdge().advance(packed_leaf_hashes(self.entries(self.size)))
        return self.note or sign_checkpoint(Checkpoint(ORIGIN, self.size, edge.root()), [self.signer])

    async def tile(self, address: TileAddress) -> bytes | None:
        if address.path in self.changed:
            return self.changed[address.path]
        count = (address.index * 256 + address.width) * 256**address.level
        tiles, _ = RightEdge().advance(packed_leaf_hashes(self.entries(count)))
        return {tile.address: tile.hashes for tile in tiles}.get(address)

    async def bundle(self, address: BundleAddress) -> bytes | None:
        if address.path in self.changed:
            return self.changed[address.path]
        start = address.index * 256
        return encode_bundle(self.entries(start + address.width)[start:])


def monitor(log: MemoryLog, last: Seen | None = None) -> LogMonitor:
    return LogMonitor(log, [LOG.verifier], [WITNESS.verifier], last)


@pytest.mark.parametrize("steps", [(1, 2, 3), (255, 256, 257), (0, 5), (300, 300, 1000), (1000, 66_000)])
async def test_a_log_that_only_grows_is_verified_step_by_step(steps: tuple[int, ...]) -> None:
    log = MemoryLog()
    watching = monitor(log)
    for before, size in zip((None, *steps), steps, strict=False):
        log.size = size
        found = await watching.look()
        assert (found is None) is (before == size)
        assert watching.last is not None
        assert watching.last.checkpoint.size == size


async def test_whoever_goes_on_from_a_kept_checkpoint_reads_only_what_is_new() -> None:
    log = MemoryLog(size=700)
    first = await monitor(log).look()
    log.size = 710
    log.changed |= {"tile/entries/000": None, "tile/entries/001": None}
    found = await monitor(log, first).look()
    assert found is not None
    assert found.checkpoint.size == 710


def fork(log: MemoryLog) -> None:
    log.kind, log.size = "another", 400


def fork_of_the_same_size(log: MemoryLog) -> None:
    log.kind = "another"


def rollback(log: MemoryLog) -> None:
    log.size = 299


def wiped(log: MemoryLog) -> None:
    log.size = 0


def signed_by_somebody(log: MemoryLog) -> None:
    log.size, log.signer = 400, Signer(ORIGIN, bytes([1]) * 32)


def no_note(log: MemoryLog) -> None:
    log.note = b"<html>\n"


def another_log(log: MemoryLog) -> None:
    log.note = sign_checkpoint(Checkpoint("log.example/b", 400, bytes(32)), [LOG])


def bad_cosignature(log: MemoryLog) -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 400, bytes(32)), [LOG])
    log.note = note + WITNESS.cosign("another\n", 1).line.encode()


def another_leaf(log: MemoryLog) -> None:
    log.size = 400
    entries = log.entries(400)[256:]
    log.changed["tile/entries/001.p/144"] = encode_bundle([*entries[:100], b"changed", *entries[101:]])


def withheld_leaves(log: MemoryLog) -> None:
    log.size, log.changed["tile/entries/001.p/144"] = 400, None


def too_few_leaves(log: MemoryLog) -> None:
    log.size, log.changed["tile/entries/001.p/144"] = 400, encode_bundle(log.entries(300)[256:])


def another_tile(log: MemoryLog) -> None:
    log.size, log.changed["tile/0/001.p/44"] = 400, bytes(44 * 32)


def withheld_tile(log: MemoryLog) -> None:
    log.size, log.changed["tile/0/001.p/44"] = 400, None


@pytest.mark.parametrize(
    ("happens", "what"),
    [
        (fork, "."),
        (fork_of_the_same_size, "two roots of 300"),
        (rollback, "had 300 leaves, and shows a checkpoint of 299"),
        (wiped, "shows a checkpoint of 0"),
        (signed_by_somebody, "no signature"),
        (no_note, "."),
        (another_log, "origin"),
        (bad_cosignature, "does not verify"),
        (another_leaf, "don't give the signed root"),
        (withheld_leaves, "not shown whole"),
        (too_few_leaves, "not shown whole"),
        (another_tile, "."),
        (withheld_tile, "."),
    ],
)
async def test_what_is_no_extension_raises_the_alarm_with_both_notes(happens, what: str) -> None:
    log = MemoryLog(size=300)
    watching = monitor(log)
    first = await watching.look()
    assert first is not None
    happens(log)
    for _ in range(2):
        with pytest.raises(LogAlarm, match=what) as alarm:
            await watching.look()
        assert alarm.value.before == first.note
        assert alarm.value.now == await log.checkpoint()
        assert watching.last == first


async def test_a_first_look_believes_no_leaf_either() -> None:
    log = MemoryLog(size=300)
    log.changed["tile/entries/000"] = encode_bundle([b"changed"] * 256)
    with pytest.raises(LogAlarm) as alarm:
        await monitor(log).look()
    assert alarm.value.before is None


def test_sizes_of_the_steps_touch_every_level() -> None:
    assert {tile.level for tile in changed_tiles(1_000, 66_000)} == {0, 1, 2}
