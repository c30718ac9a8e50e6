"""A key release and an API that run as two users of the machine, as in production."""

import asyncio
import grp
import multiprocessing
import os
import pwd
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.errors import SealstreamError
from sealstream.release.client import welcomed
from security.commit_signature import WorkerKey
from tests.support.installation import Installation
from tests.support.release import ReleaseProcess, settings_of

WELCOME, TURNED_AWAY, NO_WAY_THERE = 0, 3, 4


@pytest.fixture
def other() -> pwd.struct_passwd:
    """A user who is not us."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    return pwd.getpwnam("nobody")


@pytest.fixture
async def socket(platform: Installation, other: pwd.struct_passwd) -> AsyncIterator[Path]:
    """Where a release answers root and that user, in a directory of the group that both are in."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        directory = Path(folder)
        directory.chmod(0o755)  # noqa: ASYNC240
        place = directory / "at"
        place.mkdir(mode=0o750)
        os.chown(place, 0, other.pw_gid)
        settings = settings_of(
            platform,
            SEALSTREAM_KEYRING_DIR=str(platform.keyring_dir),
            SEALSTREAM_RELEASE_USERS=f"[{other.pw_uid}]",
        )
        release = ReleaseProcess(["release", "--socket", str(place / "socket")], directory, settings)
        await release.start()
        try:
            yield place / "socket"
        finally:
            await release.stop()


def _introduce(path: Path, user: int, group: int) -> None:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    try:
        path.stat()
    except PermissionError:
        os._exit(NO_WAY_THERE)
    try:
        WorkerKey.certified_by(bytes(range(32)), lambda key: welcomed(path, key).certificate)
    except SealstreamError:
        os._exit(TURNED_AWAY)
    os._exit(WELCOME)


async def _as(path: Path, user: int, group: int) -> int | None:
    """How a process of that user fares."""
    process = multiprocessing.get_context("fork").Process(target=_introduce, args=(path, user, group))
    process.start()
    await asyncio.to_thread(process.join)
    return process.exitcode


async def test_the_named_user_gets_in_and_others_do_not(socket: Path, other: pwd.struct_passwd) -> None:
    found = socket.stat()  # noqa: ASYNC240
    assert (found.st_mode & 0o777, found.st_gid) == (0o660, other.pw_gid)
    assert await _as(socket, other.pw_uid, other.pw_gid) == WELCOME
    # Of the group, and not named: the kernel lets them connect, the release does not let them in.
    assert await _as(socket, 4_321, other.pw_gid) == TURNED_AWAY
    # Not even the release's own user is, unless it is named.
    assert await _as(socket, 0, 0) == TURNED_AWAY
    stranger = max(group.gr_gid for group in grp.getgrall() if group.gr_gid < 60_000) + 1
    assert await _as(socket, 4_321, stranger) == NO_WAY_THERE
