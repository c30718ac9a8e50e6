"""A log as a folder of tiles: whole, added to, interrupted, and never a fork."""

from pathlib import Path

import pytest

from agents.log.export import ForkedExport, export_log
from agents.log.tree import DamagedLog, SignedTree
from security.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from security.merkle import packed_leaf_hashes
from security.tiles import RightEdge, parse_bundle, parse_tile_path
from tests.support.grown_log import TENANT, grow, log_row, stored_leaves
from tests.support.installation import Installation, Worker
from tests.support.messages import Inbox


async def exported(platform: Installation, folder: Path) -> tuple[int, int]:
    async with platform.database.session() as connection:
        done = await export_log(await SignedTree.newest(connection, await log_row(connection)), folder)
    return done.size, done.files


def entries(folder: Path, size: int) -> list[bytes]:
    """What a reader of the folder alone gets."""
    found: list[bytes] = []
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        suffix = f".p/{width}" if width < 256 else ""
        found += parse_bundle((folder / f"tile/entries/{index:03}{suffix}").read_bytes())
    return found


def files_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


async def test_an_export_holds_the_whole_log_and_is_added_to(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    inbox, verifier = Inbox(), platform.identity.log_signer(TENANT).verifier
    await grow(platform, worker, inbox, 260)
    assert await exported(platform, tmp_path) == (261, 5)
    await grow(platform, worker, inbox, 300)
    # One more full tile and bundle, and the partial ones of the new size: nothing is written twice.
    assert await exported(platform, tmp_path) == (561, 5)
    assert await exported(platform, tmp_path) == (561, 0)
    leaves = await stored_leaves(platform)
    signed = verify_checkpoint((tmp_path / "checkpoint").read_bytes(), verifier.name, [verifier])
    tiles, edge = RightEdge().advance(packed_leaf_hashes(leaves))
    assert (signed.size, signed.root) == (561, edge.root())
    assert entries(tmp_path, 561) == leaves
    for tile in tiles:
        assert (tmp_path / tile.address.path).read_bytes() == tile.hashes
    # What the first checkpoint needs is still there, and every file has a name of the format.
    assert (tmp_path / "tile/0/001.p/5").read_bytes() == packed_leaf_hashes(leaves[256:261])
    assert all(name == "checkpoint" or parse_tile_path(name) for name in files_in(tmp_path))


async def test_an_export_that_was_interrupted_is_gone_on_with(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    await grow(platform, worker, Inbox(), 300)

    class Stopped(Exception):
        pass

    def stop(files: int) -> None:
        raise Stopped

    async with platform.database.session() as connection:
        tree = await SignedTree.newest(connection, await log_row(connection))
        with pytest.raises(Stopped):
            await export_log(tree, tmp_path, stop)
    assert not (tmp_path / "checkpoint").exists()
    size, files = await exported(platform, tmp_path)
    assert (size, files) == (301, 3)
    assert entries(tmp_path, 301) == await stored_leaves(platform)


async def test_a_folder_of_another_or_a_larger_log_is_refused_and_kept(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    await grow(platform, worker, Inbox(), 20)
    signer = platform.identity.log_signer(TENANT)
    for origin, size, what in (
        (signer.verifier.name, 22, "behind what was published"),
        (signer.verifier.name, 10, "not the beginning"),
        ("sealstream.local/logs/other", 10, "name another folder"),
    ):
        note = sign_checkpoint(Checkpoint(origin, size, bytes(32)), [signer])
        (tmp_path / "checkpoint").write_bytes(note)
        with pytest.raises(ForkedExport, match=what):
            await exported(platform, tmp_path)
        assert files_in(tmp_path) == ["checkpoint"]
        assert (tmp_path / "checkpoint").read_bytes() == note


async def test_tiles_that_do_not_give_the_signed_root_are_not_exported(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    await grow(platform, worker, Inbox(), 20)
    await platform.execute("UPDATE commits SET hashes = overlay(hashes PLACING '\\x00' FROM 3)")
    with pytest.raises(DamagedLog, match="don't give the signed root"):
        await exported(platform, tmp_path)
    assert files_in(tmp_path) == []
