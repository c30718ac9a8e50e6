"""Logs over HTTP: what readers of tlog-tiles rely on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from schemas.errors import ConfigurationError
from sealstream.address import Address
from sealstream.audit.log_server import serving_logs
from security.checkpoint import verify_checkpoint
from security.merkle import packed_leaf_hashes
from security.tiles import parse_bundle
from tests.support.grown_log import TENANT, grow, stored_leaves
from tests.support.installation import Installation, Worker
from tests.support.messages import Inbox

ANYWHERE = Address("127.0.0.1", 0)


@dataclass(frozen=True)
class Site:
    """A served platform, as a reader sees it."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, bytes, str]:
        async with self.session.get(f"{self.url}/{path}") as answer:
            return answer.status, await answer.read(), answer.headers.get("Cache-Control", "")


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    await grow(platform, worker, Inbox(), 300)
    async with serving_logs(platform.database, ANYWHERE) as address, aiohttp.ClientSession() as session:
        yield Site(address.url, session)


async def test_a_reader_gets_the_checkpoint_fresh_and_tiles_for_ever(platform: Installation, site: Site) -> None:
    leaves = await stored_leaves(platform)
    verifier = platform.identity.log_signer(TENANT).verifier
    status, note, cached = await site.get(f"{TENANT}/checkpoint")
    assert (status, cached) == (200, "public, max-age=1")
    assert verify_checkpoint(note, verifier.name, [verifier]).size == 301
    for path, content in (
        ("tile/0/000", packed_leaf_hashes(leaves[:256])),
        ("tile/0/001.p/45", packed_leaf_hashes(leaves[256:])),
        ("tile/0/001.p/3", packed_leaf_hashes(leaves[256:259])),
    ):
        assert await site.get(f"{TENANT}/{path}") == (200, content, "public, max-age=31536000, immutable")
    status, bundle, _ = await site.get(f"{TENANT}/tile/entries/001.p/45")
    assert (status, parse_bundle(bundle)) == (200, leaves[256:])


@pytest.mark.parametrize(
    "path",
    [
        "nobody/checkpoint",
        "platform/checkpoint",  # nothing was signed yet
        f"{TENANT}/tile/0/001",
        f"{TENANT}/tile/0/001.p/46",
        f"{TENANT}/tile/0/000.p/256",
        f"{TENANT}/tile/0/0",
        f"{TENANT}/tile/0/x000/000",
        f"{TENANT}/tile/64/000",
        f"{TENANT}/tile/entries/x999/x999/x999/x999/x999/x999/999",
        f"{TENANT}/tile/0/%2e%2e",
        f"{TENANT}/tile/0/000%00",
    ],
)
async def test_what_is_not_there_is_not_found_and_not_kept(site: Site, path: str) -> None:
    status, body, cached = await site.get(path)
    assert status == 404
    assert "max-age" not in cached
    assert b"Traceback" not in body


async def test_a_damaged_leaf_is_not_served(platform: Installation, site: Site) -> None:
    await platform.execute("UPDATE bundles SET body = overlay(body PLACING '\\x58' FROM 40)")
    status, body, cached = await site.get(f"{TENANT}/tile/entries/000")
    assert (status, cached) == (500, "no-store")
    assert b"not the one that was sequenced" in body
    # The hashes are what was signed, and stay readable.
    assert (await site.get(f"{TENANT}/tile/0/000"))[0] == 200


async def test_nothing_but_reading_is_answered(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE"):
        async with site.session.request(method, f"{site.url}/{TENANT}/checkpoint") as answer:
            assert answer.status == 405
    async with site.session.head(f"{site.url}/{TENANT}/checkpoint") as answer:
        assert answer.status == 200


async def test_an_address_that_is_taken_is_said(platform: Installation, site: Site) -> None:
    port = int(site.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {port}"):
        async with serving_logs(platform.database, Address("127.0.0.1", port)):
            pass
