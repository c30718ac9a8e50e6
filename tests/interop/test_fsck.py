"""Tessera's `fsck`, unchanged, reads what we serve and what we export."""

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.log.export import export_log
from agents.log.tree import SignedTree
from agents.shards.closing import ShardKeeper
from sealstream.address import Address
from sealstream.audit.log_server import serving_logs
from tests.interop.programs import build_go
from tests.support.grown_log import TENANT, grow, log_row
from tests.support.installation import Installation, Worker
from tests.support.messages import Inbox
from tests.support.shards import exported, fill_shards, shards_of

MODULE = "github.com/transparency-dev/tessera/cmd/fsck@v1.0.1"
CHECK_SECONDS = 60
GOOD = "Successfully fsck'd"


@pytest.fixture(scope="module")
def fsck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tool, built from its published module."""
    bin_dir = tmp_path_factory.mktemp("fsck")
    build_go("install", MODULE, scratch=bin_dir, GOBIN=str(bin_dir))
    return bin_dir / "fsck"


@dataclass(frozen=True)
class Checker:
    """The tool with the log's key."""

    program: Path
    key: Path

    async def says(self, url: str) -> str:
        # It exits with 0 whatever it found, and hangs at a fault when it has a single worker: hence four, and a limit.
        process = await asyncio.create_subprocess_exec(
            str(self.program),
            f"--storage_url={url}",
            f"--public_key={self.key}",
            "--ui=false",
            "--N=4",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                talk, _ = await process.communicate()
        except TimeoutError:
            return "it hangs"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return talk.decode()


@pytest.fixture
def checker(platform: Installation, fsck: Path, tmp_path: Path) -> Checker:
    key = tmp_path / "key.pub"
    key.write_text(platform.identity.log_signer(TENANT).verifier.vkey + "\n")
    return Checker(fsck, key)


# Ragged, right after a full tile, and full: the leaf of the producer's key comes on top.
@pytest.mark.parametrize("count", [4, 255, 256, 600])
async def test_a_served_and_an_exported_log_pass(
    platform: Installation, worker: Worker, checker: Checker, tmp_path: Path, count: int
) -> None:
    inbox = Inbox()
    await grow(platform, worker, inbox, count // 2)
    async with platform.database.session() as connection:
        await export_log(await SignedTree.newest(connection, await log_row(connection)), tmp_path / "log")
    await grow(platform, worker, inbox, count - count // 2)
    async with platform.database.session() as connection:
        done = await export_log(await SignedTree.newest(connection, await log_row(connection)), tmp_path / "log")
    assert done.size == count + 1
    talk = await checker.says(f"file://{tmp_path / 'log'}/")
    assert GOOD in talk, talk
    async with serving_logs(platform.database, Address("127.0.0.1", 0)) as address:
        talk = await checker.says(f"{address.url}/{TENANT}/")
    assert GOOD in talk, talk


async def test_each_shard_passes_as_a_log_of_its_own(platform: Installation, fsck: Path, tmp_path: Path) -> None:
    await fill_shards(platform)
    await ShardKeeper(platform.database, platform.identity).close("bank-a", new_key=True)
    await platform.sequence()
    folder = await exported(platform, tmp_path / "logs")
    async with serving_logs(platform.database, Address("127.0.0.1", 0)) as address:
        for row in await shards_of(platform):
            key = tmp_path / f"{row.shard}.pub"
            key.write_text(platform.identity.signer_of(row).verifier.vkey + "\n")
            for url in (f"file://{folder / row.folder}/", f"{address.url}/{row.folder}/"):
                talk = await Checker(fsck, key).says(url)
                assert GOOD in talk, talk


async def test_a_changed_entry_does_not_pass(
    platform: Installation, worker: Worker, checker: Checker, tmp_path: Path
) -> None:
    await grow(platform, worker, Inbox(), 300)
    async with platform.database.session() as connection:
        await export_log(await SignedTree.newest(connection, await log_row(connection)), tmp_path / "log")
    bundle = tmp_path / "log/tile/entries/000"
    content = bytearray(bundle.read_bytes())
    content[50] ^= 1
    bundle.write_bytes(content)
    assert GOOD not in await checker.says(f"file://{tmp_path / 'log'}/")
