"""The client's wheel, built, installed into an empty environment, and used against a running server over TLS."""

import asyncio
import base64
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from sealstream.address import Address
from sealstream.api.rate_limits import TokenBuckets
from sealstream.api_server import Certificate, serving
from security.access.policy_set import default_policies
from security.access.principal import Action
from security.key_files import private_jwk, save_private_jwk
from streams.storage.projects import ProjectRow, insert_project
from tests.support import client_wheel
from tests.support.api import AUDITOR, READER, Site, served
from tests.support.approving import HEAD, OFFICIAL, PROVIDER, key_of
from tests.support.approving import asked as request_of
from tests.support.certificates import Authority
from tests.support.client_wheel import CLEAN, built_wheel, installed_into_nothing
from tests.support.console import DISTRICT, known
from tests.support.exchange import POLICIES, Exchange
from tests.support.grown_log import grow
from tests.support.installation import BANK_A, LOG_ORIGIN, Installation, Worker
from tests.support.messages import Inbox

PROGRAM = Path(client_wheel.__file__).with_name("client_program.py")
APPROVALS = Path(client_wheel.__file__).with_name("client_approvals.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed_into_nothing(wheel, tmp_path_factory.mktemp("empty") / "env")


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    await grow(platform, worker, Inbox(), 12)
    await platform.sequence()
    async with platform.database.session() as connection:
        for name, tenant in (("prj-1", "bank-a"), ("prj-2", "bank-b")):
            await insert_project(connection, ProjectRow(name, tenant, "casework"))
    async with served(platform) as found:
        # Slower than the program asks: it is refused now and then, waits as it is told, and asks again.
        yield replace(found, parts=replace(found.parts, limits=replace(found.parts.limits, person=TokenBuckets(4, 3))))


@pytest.fixture
async def came(site: Site, python: Path, tmp_path: Path) -> dict[str, Any]:
    authority = Authority(tmp_path / "authority")
    shown = authority.sign("server", hosts=("127.0.0.1",))
    key_file = tmp_path / "bank-a.jwk"
    save_private_jwk(
        key_file, private_jwk(BANK_A.key_id, BANK_A.signer.algorithm, BANK_A.key_id.encode().ljust(32, b"."))
    )
    asked = {
        "key": await site.key(READER, Action.READ, projects=["prj-1"]),
        "token": site.token(READER),
        "auditor": site.token(AUDITOR),
        "trusted": str(authority.file),
        "vkey": site.platform.identity.log_signer("bank-a").verifier.vkey,
        "key_file": str(key_file),
        "source": BANK_A.source,
    }
    async with serving(site.parts, Address("127.0.0.1", 0), Certificate(shown.certificate, shown.key)) as url:
        return await ran(python, PROGRAM, asked, tmp_path, url.replace("127.0.0.1", "{region}.0.0.1"))


async def ran(python: Path, program: Path, asked: dict[str, Any], directory: Path, url: str) -> dict[str, Any]:
    """What came of a program of somebody who has the wheel alone."""
    process = await asyncio.create_subprocess_exec(
        python,
        "-I",
        str(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=CLEAN | {"SEALSTREAM_API_URL": url},
        cwd=directory,
    )
    out, err = await process.communicate(json.dumps(asked).encode())
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


async def test_people_ask_for_access_approve_in_order_and_revoke_by_their_own_key_files(
    bureaus: Exchange, python: Path, tmp_path: Path
) -> None:
    await bureaus.adopt(default_policies() + POLICIES + DISTRICT)
    (record,) = await bureaus.residents()
    people = [known(each) for each in (OFFICIAL, HEAD, PROVIDER)]
    async with served(bureaus.platform, people=people) as site, serving(site.parts, Address("127.0.0.1", 0)) as url:
        files = {}
        for each in people:
            files[each.person] = tmp_path / f"{each.person}.jwk"
            save_private_jwk(
                files[each.person],
                private_jwk(each.person, key_of(each.person).algorithm, each.person.encode().ljust(32, b".")),
            )
        request = msgspec.to_builtins(request_of(OFFICIAL, id=str(uuid4()), records=(str(record),), salt=uuid4().hex))
        for name in ("made", "deadline", "ends"):
            del request[name]
        asked = {
            "people": {each.person: (site.token(each), str(files[each.person])) for each in people},
            "origin": f"{LOG_ORIGIN}/registry",
            "record": str(record),
            "request": request,
        }
        came = await ran(python, APPROVALS, asked, tmp_path, url)
    assert came["before"] == came["after"]
    assert (came["before"]["id_number"], came["open"]["id_number"], came["open"]["income"]) == (
        "sealed",
        "open",
        "sealed",
    )
    assert came["codes"] == ["out_of_order", "own_request"]
    assert (came["asked"], came["approved"], came["revoked"]) == (
        "pending",
        ["granted", ["head", "provider"]],
        "revoked",
    )


async def test_a_program_that_has_the_wheel_alone_reads_checks_and_signs(
    came: dict[str, Any], site: Site, worker: Worker
) -> None:
    assert came["theirs"] == []
    assert came["version"]
    stored = await site.platform.rows("SELECT record_id FROM results ORDER BY created_at DESC, record_id")
    records = [str(row["record_id"]) for row in stored]
    assert (came["page"], came["more"], came["all"], came["async"]) == (5, True, records, records)
    assert came["codes"] == [
        ["Forbidden", 403, "forbidden", []],
        ["InvalidRequest", 422, "invalid_request", ["query.limit"]],
    ]
    assert came["shown"] == records[:1]
    assert came["searched"] > 0
    assert came["leaf"] == records[0]
    assert came["amounts"][0] == came["amounts"][1]
    assert "amount" in came["refused"]
    assert came["label"]
    assert (came["reviews"], came["requests"]) == (0, 0)
    assert {"bank-a", "bank-b"} <= set(came["logs"])
    assert (came["checkpoint"], came["entries"], came["proved"]) == (
        site.platform.identity.log_signer("bank-a").verifier.name,
        12,
        True,
    )
    assert site.parts.metrics.registry.get_sample_value("sealstream_api_limited_total", {"by": "person"})
    await see_that_the_door_takes_it(came["signed"], site, worker)


async def see_that_the_door_takes_it(signed: dict[str, Any], site: Site, worker: Worker) -> None:
    inbox = Inbox(partition=1)
    headers = [(name, base64.b64decode(text)) for name, text in signed["headers"]]
    before = await site.platform.one("SELECT count(*) FROM results")
    inbox.put_raw(headers, base64.b64decode(signed["value"]), b"from-the-wheel")
    await worker.commit(inbox.take())
    assert await site.platform.one("SELECT count(*) FROM results") == before + 1
    assert not await site.platform.one("SELECT count(*) FROM dead_letters")


def test_what_the_wheel_bundles_is_under_its_own_name_and_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sources = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert {name.partition("/")[0] for name in names} == {"sealstream_client", "sealstream_client-0.1.0.dist-info"}
    assert "sealstream_client/py.typed" in names
    assert not any("streams" in name or "agents" in name for name in names)
    vendored = [text for name, text in sources.items() if "/_vendor/" in name]
    assert len(vendored) > 30
    assert not any(f"\nfrom {name}" in text for text in vendored for name in ("schemas", "security", "sealstream."))
