"""The logs over HTTP: pages, entries, proofs, evidence packs; for auditors alone."""

import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from sealstream.audit.evidence import check_pack
from security.checkpoint import verify_checkpoint
from security.evidence_pack import PackTrust
from security.merkle import leaf_hash, packed_leaf_hashes
from security.proof import parse_tlog_proof, verify_tlog_proof
from security.tiles import parse_bundle
from tests.support.api import ADMINISTRATOR, AUDITOR, OPERATOR, READER, Site, problem, served
from tests.support.grown_log import TENANT, grow, stored_leaves
from tests.support.installation import Installation, Worker
from tests.support.messages import Inbox


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    await grow(platform, worker, Inbox(), 20)
    async with served(platform) as found:
        await platform.sequence()
        yield found


async def test_pages_are_those_of_the_log_and_their_tags_spare_a_second_answer(site: Site) -> None:
    leaves = await stored_leaves(site.platform)
    answer = await site.get(AUDITOR, f"/v1/logs/{TENANT}/checkpoint")
    verifier = site.platform.identity.log_signer(TENANT).verifier
    assert verify_checkpoint(answer.content, verifier.name, [verifier]).size == len(leaves)
    assert answer.headers["cache-control"] == "public, max-age=1"
    path = f"/v1/logs/{TENANT}/tile/0/000.p/{len(leaves)}"
    tile = await site.get(AUDITOR, path)
    assert tile.content == packed_leaf_hashes(leaves)
    assert "immutable" in tile.headers["cache-control"]
    bundle = await site.get(AUDITOR, f"/v1/logs/{TENANT}/tile/entries/000.p/{len(leaves)}")
    assert parse_bundle(bundle.content) == leaves
    again = await site.get(AUDITOR, path, headers={"If-None-Match": tile.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await site.get(AUDITOR, path, headers={"If-None-Match": '"something else"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "nobody/checkpoint",
        f"{TENANT}/tile/0/001",
        f"{TENANT}/tile/0/..%2f..%2fx",
        f"{TENANT}/tile/0/000%00",
        "x/entries",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert problem(await site.get(AUDITOR, f"/v1/logs/{path}"))[0] == 404


async def test_logs_are_for_auditors(site: Site) -> None:
    paths = ["", f"/{TENANT}/checkpoint", f"/{TENANT}/tile/0/000", f"/{TENANT}/entries", f"/{TENANT}/proof?index=0"]
    for who in (READER, OPERATOR, ADMINISTRATOR):
        for path in paths:
            assert problem(await site.get(who, f"/v1/logs{path}")) == (403, "forbidden")
        assert problem(await site.post(who, f"/v1/logs/{TENANT}/evidence", {})) == (403, "forbidden")
    listed = (await site.get(AUDITOR, "/v1/logs")).json()["data"]
    assert {"bank-a", "bank-b", "platform"} <= {each["tenant"] for each in listed}


async def test_entries_come_page_by_page_each_with_its_proof(site: Site) -> None:
    url = f"/v1/logs/{TENANT}/entries?kind=result&limit=8"
    found, start = [], ""
    while True:
        page = (await site.get(AUDITOR, url + start)).json()
        found += page["data"]
        if page["next"] is None:
            break
        start = f"&start={page['next']}"
    verifier = site.platform.identity.log_signer(TENANT).verifier
    assert len({each["index"] for each in found}) == len(found) == 20
    for each in found[:3]:
        proof = parse_tlog_proof(each["proof"].encode())
        verify_tlog_proof(proof, leaf_hash(each["body"].encode()), verifier.name, [verifier])
        assert each["leaf"]["kind"] == "result"
    record = found[0]["leaf"]["record"]
    named = (await site.get(AUDITOR, f"/v1/logs/{TENANT}/entries?name={record}")).json()["data"]
    assert [each["index"] for each in named] == [found[0]["index"]]


async def test_a_leaf_is_proved_by_its_record_or_its_index(site: Site) -> None:
    record = await site.platform.one("SELECT record_id FROM results LIMIT 1")
    by_name = (await site.get(AUDITOR, f"/v1/logs/{TENANT}/proof?name={record}")).json()
    by_index = (await site.get(AUDITOR, f"/v1/logs/{TENANT}/proof?index={by_name['index']}")).json()
    assert by_name == by_index
    assert str(record) in by_name["body"]
    for query, status in ((f"name={uuid4()}", 404), ("index=999999", 404), ("", 422), (f"name={record}&index=1", 422)):
        assert problem(await site.get(AUDITOR, f"/v1/logs/{TENANT}/proof?{query}"))[0] == status
    assert problem(await site.get(AUDITOR, f"/v1/logs/bank-b/proof?name={record}"))[0] == 404


async def test_an_evidence_pack_is_checked_offline(site: Site, tmp_path: Path) -> None:
    answer = await site.post(AUDITOR, f"/v1/logs/{TENANT}/evidence", {"kinds": ["result"], "fields": True})
    assert answer.headers["content-type"] == "application/zip"
    path = tmp_path / "pack.zip"
    path.write_bytes(answer.content)
    keys = [site.platform.identity.log_signer(TENANT).verifier]
    assert check_pack(path, PackTrust(keys))
    names = zipfile.ZipFile(path).namelist()
    assert len([name for name in names if name.startswith("entries/")]) == 20
    nothing = await site.post(AUDITOR, f"/v1/logs/{TENANT}/evidence", {"type": "io.example.nothing"})
    assert problem(nothing) == (404, "not_found")
