"""An evidence pack verifies as a whole, offline; whatever is changed, left out or added in it is found."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.log.entries import Question
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.evidence_pack import MalformedPack
from sealstream.audit.evidence import check_pack, make_pack
from sealstream.audit.log_reading import Asked
from sealstream.people.principals import Said
from security.evidence_pack import PackTrust
from security.note import Signer, Verifier
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.processes import sealstream


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b", amount="no number"), statement("s", [entry("1"), entry("2")]))
    BANK_B.put(inbox, transaction("c"))
    await worker.commit(inbox.take(3))
    await worker.commit(inbox.take())
    await platform.sequence()
    return platform


def keys_of(platform: Installation) -> list[Verifier]:
    return [platform.identity.log_signer(tenant).verifier for tenant in (BANK_A.tenant, BANK_B.tenant)]


async def pack_of(platform: Installation, path: Path, *, tier: int = 5, **more: Any) -> Path:
    disclosed = {name: more.pop(name) for name in ("fields", "evidence") if name in more}
    tenant = more.pop("tenant", None)
    await make_pack(platform.settings, Asked(tenant, None, Question(**more)), path, said=Said(tier=tier), **disclosed)
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_pack_answers_its_question_and_verifies(filled: Installation, tmp_path: Path) -> None:
    kinds = ("accepted", "rejected", "result")
    pack = await pack_of(filled, tmp_path / "p.zip", kinds=kinds, fields=True, evidence=True)
    found = [(each.item, each.detail) for each in check_pack(pack, PackTrust(keys_of(filled)))]
    items = [item for item, _ in found]
    assert items == ["pack", "log", "log", "producer key", "producer key", "workers", "model"]
    assert "4 entries" not in found[2][1]
    assert "1 accepted, 1 rejected, 3 result" in found[1][1]
    assert BANK_A.key_id in found[3][1]
    assert "decided 4 entries" in found[6][1]
    assert sum(name.startswith("entries/bank-a/") for name in contents(pack)) == 5
    # All of it was one look in each log, which the log knows.
    await filled.sequence()
    exports = [leaf for leaf in await filled.leaves() if leaf["kind"] == "export"]
    assert [leaf["count"] for leaf in exports] == [5, 1]
    assert (await filled.audit()).findings == []


async def test_without_being_asked_a_pack_discloses_nothing(filled: Installation, tmp_path: Path) -> None:
    pack = await pack_of(filled, tmp_path / "p.zip", kinds=("result",))
    receipts = [json.loads(body) for name, body in contents(pack).items() if name.startswith("entries/")]
    assert len(receipts) == 4
    assert all(each["fields"] == {} and "message" not in each for each in receipts)
    assert not [leaf for leaf in await filled.leaves() if leaf["kind"] == "export"]


async def test_what_the_tier_does_not_open_stays_out_and_is_named(filled: Installation, tmp_path: Path) -> None:
    pack = await pack_of(filled, tmp_path / "p.zip", tier=1, kinds=("result",), fields=True, evidence=True)
    receipts = [json.loads(body) for name, body in contents(pack).items() if name.startswith("entries/")]
    assert all(field["tier"] == 1 for each in receipts for field in each["fields"].values())
    left_out = [each.detail for each in check_pack(pack, PackTrust(keys_of(filled))) if each.item == "left out"]
    assert len(left_out) == 4
    assert all("tier 3" in each for each in left_out)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], *, manifest: bool) -> Path:
    """The pack with a change in it; its manifest made to fit, as a forger would."""
    import hashlib

    files = contents(path)
    change(files)
    if manifest:
        told = json.loads(files["manifest.json"])
        told["files"] = {
            name: hashlib.sha256(body).hexdigest() for name, body in files.items() if name != "manifest.json"
        }
        files["manifest.json"] = json.dumps(told).encode()
    changed = path.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return changed


def first(files: dict[str, bytes], folder: str) -> str:
    return next(name for name in sorted(files) if name.startswith(folder))


def replace_in(folder: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        name = next(name for name in sorted(files) if name.startswith(folder) and old in files[name])
        files[name] = files[name].replace(old, new, 1)

    return change


def remove(folder: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: [files.pop(name) for name in sorted(files) if name.startswith(folder)] and None


def copy_key(files: dict[str, bytes]) -> None:
    one, other = [name for name in sorted(files) if name.startswith("keys/")]
    files[one] = files[other]


CHANGES = {
    "a value": (replace_in("entries/", b'"125.40"', b'"925.40"'), "amount"),
    "an outcome": (replace_in("entries/", b'\\"outcome\\":\\"booked\\"', b'\\"outcome\\":\\"pended\\"'), "entries/"),
    "a key's sources": (replace_in("context/", b"urn:test", b"urn:text"), "context/"),
    "a key": (copy_key, "keys/"),
    "no keys": (remove("keys/"), "keys/"),
    "no registration": (remove("context/"), "registers its signer"),
    "no commits": (remove("commits/"), "which worker"),
    "a commit's count": (replace_in("commits/", b'"count": ', b'"count": 1'), "worker signature"),
    "a worker": (replace_in("trusted-root.json", b'"id": "w-', b'"id": "w-0'), "not its own"),
    "no workers": (replace_in("trusted-root.json", b'"workers": [', b'"workers": [], "x": ['), "trusted-root"),
    "a log's key": (replace_in("trusted-root.json", b"/bank-a+", b"/bank-a+0"), "another key"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_whatever_is_changed_is_found(filled: Installation, tmp_path: Path, name: str) -> None:
    pack = await pack_of(filled, tmp_path / "p.zip", kinds=("accepted", "result"), fields=True, evidence=True)
    change, what = CHANGES[name]
    trust = PackTrust(keys_of(filled))
    with pytest.raises(VerificationFailed, match="manifest"):
        check_pack(rewritten(pack, change, manifest=False), trust)
    with pytest.raises(VerificationFailed, match=what):
        check_pack(rewritten(pack, change, manifest=True), trust)


async def test_what_the_manifest_does_not_name_is_refused(filled: Installation, tmp_path: Path) -> None:
    pack = await pack_of(filled, tmp_path / "p.zip", kinds=("result",))
    with pytest.raises(VerificationFailed, match="does not name"):
        check_pack(rewritten(pack, lambda files: files.update(more=b"x"), manifest=False), PackTrust(keys_of(filled)))


async def test_another_key_than_the_verifiers_is_not_believed(filled: Installation, tmp_path: Path) -> None:
    pack = await pack_of(filled, tmp_path / "p.zip", tenant=BANK_A.tenant, kinds=("result",))
    forged = Signer(filled.identity.origin(BANK_A.tenant), b"forger".ljust(32, b".")).verifier
    for keys in ([], [forged]):
        with pytest.raises(VerificationFailed, match="key"):
            check_pack(pack, PackTrust(keys))
    with pytest.raises(VerificationFailed, match="witness"):
        check_pack(pack, PackTrust(keys_of(filled), min_witnesses=1))


@pytest.mark.parametrize("keep", [10, 1000, -30])
async def test_a_damaged_archive_is_refused(filled: Installation, tmp_path: Path, keep: int) -> None:
    pack = await pack_of(filled, tmp_path / "p.zip", kinds=("result",))
    pack.write_bytes(pack.read_bytes()[:keep])
    with pytest.raises(MalformedPack):
        check_pack(pack, PackTrust(keys_of(filled)))


async def test_nothing_is_left_of_a_pack_that_could_not_be_made(filled: Installation, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no entry"):
        await pack_of(filled, tmp_path / "p.zip", source="urn:nobody")
    with pytest.raises(ConfigurationError, match=r"\.zip"):
        await pack_of(filled, tmp_path / "p.tar")
    assert not any((tmp_path / name).exists() for name in ("p.zip", "p.zip.part", "p.tar", "p.tar.part"))


async def test_the_commands_make_and_check_a_pack(filled: Installation, tmp_path: Path) -> None:
    settings = {"SEALSTREAM_DATABASE_URL": filled.dsn, "SEALSTREAM_KEYRING_DIR": str(filled.keyring_dir)}
    words = ("--kind", "result", "--tier", "5", "--fields", "--messages")
    done = sealstream("audit", "evidence", "p.zip", *words, settings=settings, directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "4 entries in p.zip\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "p.zip", elsewhere)
    vkeys = [word for key in keys_of(filled) for word in ("--vkey", key.vkey)]
    done = sealstream("receipt", "verify", "p.zip", *vkeys, "--json", settings={}, directory=elsewhere)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["established"] == "pack"
