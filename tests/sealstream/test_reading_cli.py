"""Commands that read, as people run them: by their right, or in development at a tier; and what production refuses."""

import asyncio
import getpass
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.errors import SealstreamError
from sealstream.cli.app import app
from sealstream.people.principals import Said, acting_person
from sealstream.settings import Settings
from security.access.principal import Role
from tests.support.approving import AUTHORITY, COLLEAGUE, person
from tests.support.exchange import Exchange
from tests.support.installation import Installation
from tests.support.messages import Inbox

AUDITOR = person("auditor", "exchange", "court", roles=frozenset({Role.AUDITOR}))
OFFICIAL_WORDS = ("--as", "official", "--purpose", "casework")


@pytest.fixture
async def bureaus(
    bureaus: Exchange, dsn: str, keyring_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Exchange:
    monkeypatch.setenv("SEALSTREAM_DATABASE_URL", dsn)
    monkeypatch.setenv("SEALSTREAM_KEYRING_DIR", str(keyring_dir))
    monkeypatch.setenv("SEALSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return bureaus


async def run(*words: str, code: int = 0) -> str:
    # In a thread: a command has an event loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    assert done.exit_code == code, (words, done.output, done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit | SealstreamError)
    return done.stdout


async def rows(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await run(*words, "--json")).splitlines()]


async def test_records_are_shown_to_a_person_field_by_field(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await run("records", "show", str(name), *OFFICIAL_WORDS, code=1)
    await bureaus.granted()
    (shown,) = await rows("records", "show", str(name), *OFFICIAL_WORDS)
    assert shown["fields"]["id_number"] == {"state": "open", "tier": 4, "value": '"110101199001011237"'}
    assert shown["fields"]["income"] == {"state": "sealed", "tier": 4, "value": None}
    assert "income: <sealed>" in await run("records", "list", *OFFICIAL_WORDS)
    (found,) = await rows("records", "search", "insurance_status", "insured", *OFFICIAL_WORDS)
    assert found["record"] == str(name)
    (masked,) = await rows("records", "show", str(name), "--as", AUTHORITY.person, "--purpose", "audit")
    assert masked["fields"]["income"] == {"state": "masked", "tier": 4, "value": "…(5)"}
    await run("records", "show", str(name), "--as", "official", code=1)
    await run("records", "show", str(name), "--as", "mallory", "--purpose", "casework", code=1)
    await run("records", "show", str(name), *OFFICIAL_WORDS, "--tier", "5", code=1)


async def test_by_default_it_is_who_runs_the_command_and_a_tier_is_for_development(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await run("records", "list", code=1)
    (bare,) = await rows("records", "show", str(name), "--tier", "5")
    assert bare["fields"]["income"] == '"12500.00"'
    await bureaus.register(replace(COLLEAGUE, person=getpass.getuser(), tier=3, jwk=None))
    await run("records", "list", code=1)
    (mine,) = await rows("records", "list", "--purpose", "casework")
    assert {field for field, each in mine["fields"].items() if each["state"] == "open"} == {
        "district",
        "insurance_status",
    }


@pytest.mark.parametrize("said", [Said(), Said(tier=1), Said("nobody", "casework"), Said("official")])
async def test_production_refuses_whoever_has_no_right_or_no_purpose(bureaus: Exchange, said: Said) -> None:
    production = Settings.model_construct(env="production")
    keeper = bureaus.desk()._keeper
    with pytest.raises(SealstreamError):
        await acting_person(production, keeper, said)


async def test_where_nobody_is_registered_development_reads_at_a_tier_and_production_does_not(
    platform: Installation,
) -> None:
    keeper = Exchange(platform).desk()._keeper
    assert await acting_person(Settings.model_construct(env="development"), keeper, Said()) is None
    with pytest.raises(SealstreamError):
        await acting_person(Settings.model_construct(env="production"), keeper, Said())


async def test_receipts_disclose_what_one_may_hand_on(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.register(replace(COLLEAGUE, tier=3))
    words = ("--as", COLLEAGUE.person, "--purpose", "casework")
    receipt = json.loads(await run("receipt", "show", str(name), *words))
    assert set(receipt["fields"]) == {"district", "insurance_status"}
    await run("receipt", "show", str(name), *words, "--evidence", code=1)
    await run("receipt", "show", str(name), *words, "--field", "income", code=1)
    await run("receipt", "show", str(name), *OFFICIAL_WORDS, code=1)
    await bureaus.register(replace(COLLEAGUE, tier=5))
    receipt = json.loads(await run("receipt", "show", str(name), *words, "--evidence"))
    assert set(receipt["fields"]) == {"district", "insurance_status", "income", "tax_paid", "id_number"}
    assert receipt["message"]
    await bureaus.platform.sequence()
    assert (await bureaus.platform.audit()).findings == []


async def test_dead_letters_are_shown_to_who_may_see_the_message(bureaus: Exchange) -> None:
    inbox = Inbox(topic="records")
    inbox.put_raw([("ce_id", b"x")], b"somebody's bytes")
    await (await bureaus.platform.worker()).commit(inbox.take())
    (letter,) = await rows("dead-letters", "list")
    await run("dead-letters", "show", letter["dead_letter"], *OFFICIAL_WORDS, code=1)
    operator = person("operator", "platform", "intake", roles=frozenset({Role.READER, Role.OPERATOR}), tier=4)
    await bureaus.register(operator)
    words = ("--as", "operator", "--purpose", "operations")
    (shown,) = await rows("dead-letters", "show", letter["dead_letter"], *words)
    assert shown["value"] == "somebody's bytes"
    await bureaus.register(replace(operator, tier=3))
    await run("dead-letters", "show", letter["dead_letter"], *words, code=1)


async def test_logs_are_read_by_auditors_and_their_looks_replayed(bureaus: Exchange, tmp_path: Path) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted()
    await run("records", "show", str(name), *OFFICIAL_WORDS)
    await bureaus.platform.sequence()
    await bureaus.register(AUDITOR)
    auditing = ("--as", "auditor", "--purpose", "audit")
    for words in (("entries",), ("looks",), ("evidence", str(tmp_path / "p.zip"))):
        await run("audit", *words, *OFFICIAL_WORDS, code=1)
    (look,) = await rows("audit", "looks", "--tenant", "registry", "--record", str(name), *auditing)
    assert (look["records"], look["kind"]) == ([str(name)], "read")
    (entry,) = await rows("audit", "entries", "--tenant", "registry", "--kind", "read", *auditing)
    assert entry["index"] == look["index"]
    await run("audit", "evidence", str(tmp_path / "p.zip"), "--kind", "result", "--fields", *auditing)
    place = ("--index", str(look["index"]), "--tenant", "registry")
    await run("access", "replay", *place, *OFFICIAL_WORDS, code=1)
    file = tmp_path / "look.json"
    summary, decision = await rows("access", "replay", *place, *auditing, "--out", str(file))
    assert (summary["person"], summary["records"], summary["verdict"]) == (
        "official",
        [str(name)],
        "as the policies say",
    )
    assert decision["fields"]["id_number"] == "open"
    assert json.loads(file.read_bytes())["asked"] == f"show {name}"
    await bureaus.platform.sequence()
    assert (await bureaus.platform.audit()).findings == []
