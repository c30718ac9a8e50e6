"""A log as a folder of C2SP tlog-tiles that any web server can serve: written once, then only added to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.log.tree import DamagedLog, SignedTree
from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, parse_checkpoint
from security.merkle import verify_consistency
from security.note import parse_note
from security.tiles import BundleAddress, RightEdge, changed_tiles, partial_tiles
from streams.durable_file import replace_durably

CHECKPOINT: Final = "checkpoint"
PUBLIC: Final = 0o644
"""The web server that serves the folder is another user."""


class ForkedExport(VerificationFailed):
    """A folder holds a log that this one does not extend."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Attributes:
        size: Leaves under the exported checkpoint.
        files: Tiles and bundles that were written; those that were there already are not.
    """

    size: int
    files: int


async def export_log(tree: SignedTree, folder: Path, progress: Callable[[int], None] = lambda files: None) -> Exported:
    """Bring a folder to the tree's checkpoint: bundles and tiles first, the checkpoint last and at once.

    An interrupted export is gone on with. A folder of an older checkpoint is added to: its partial tiles stay, since
    somebody may hold the checkpoint that they belong to.

    Args:
        progress: Told how many files are written so far.

    Raises:
        ForkedExport: The folder holds another log, a larger one, or one that this does not extend.
        DamagedLog: What is stored is not what was sequenced.
        OSError: The folder can't be written.
    """
    before = await _exported(tree, folder)
    await _check_root(tree)
    written = 0
    for address in changed_tiles(before, tree.checkpoint.size):
        if address.level == 0:
            bundle = BundleAddress(address.index, address.width)
            written += _write(folder / bundle.path, await tree.bundle(bundle))
        written += _write(folder / address.path, await tree.tile(address))
        progress(written)
    _put(folder / CHECKPOINT, tree.note)
    return Exported(tree.checkpoint.size, written)


async def _exported(tree: SignedTree, folder: Path) -> int:
    """How many leaves the folder holds already."""
    path = folder / CHECKPOINT
    if not path.exists():
        return 0
    old = parse_checkpoint(parse_note(path.read_bytes()).text)
    if old.origin != tree.row.origin:
        raise ForkedExport(f"{folder} holds log {old.origin}, not {tree.row.origin}; name another folder")
    if old.size > tree.checkpoint.size:
        raise ForkedExport(
            f"{folder} holds {old.size} leaves of {old.origin} and the database only {tree.checkpoint.size}: "
            "it is behind what was published; see docs/recovery.md"
        )
    await _check_extended(tree, folder, old)
    return old.size


async def _check_extended(tree: SignedTree, folder: Path, old: Checkpoint) -> None:
    now = tree.checkpoint
    try:
        proof = await tree.consistency(old.size) if old.size else []
        if old.size:
            verify_consistency(old.size, now.size, proof, old.root, now.root)
    except DamagedLog:
        raise
    except VerificationFailed as exc:
        raise ForkedExport(
            f"the log of {old.size} leaves in {folder} is not the beginning of {now.origin} as stored: keep the "
            "folder, it is evidence, and run `sealstream audit verify`"
        ) from exc


async def _check_root(tree: SignedTree) -> None:
    """The stored edge must give the signed root: a folder that nobody could verify is no export."""
    edge = {address: await tree.tile(address) for address in partial_tiles(tree.checkpoint.size)}
    if RightEdge.from_tiles(tree.checkpoint.size, edge.get).root() != tree.checkpoint.root:
        raise DamagedLog(f"log {tree.row.origin}: its tiles don't give the signed root; run `sealstream audit verify`")


def _write(path: Path, content: bytes | None) -> bool:
    """Write a file that will never change; false when it is there already."""
    assert content is not None, "a tree of that size has it"
    if path.exists() and path.read_bytes() == content:
        return False
    _put(path, content)
    return True


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, content, PUBLIC)
