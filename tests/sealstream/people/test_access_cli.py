"""The commands of access control, as people use them one after the other; and the embedded issuer's place."""

import json
import os

import pytest

from schemas.errors import ConfigurationError
from sealstream.people.access import open_embedded_issuer
from sealstream.settings import load_settings
from security.access.decision import Decider
from security.access.decision_record import DecisionRecord
from security.access.look_record import LookRecord
from security.access.policy_set import PolicySet, default_policies
from security.commitment import Commitments
from tests.support.access import question
from tests.support.installation import BANK_A, Installation
from tests.support.terminal import Terminal

TRANSACTION = "io.sealstream.transaction.v1"
POLICIES = """
@id("approved") permit (principal in Department::"bank-b/risk", action == Action::"read", resource)
when { context.approval >= 2 && ["amount"].contains(resource.name) };
"""


async def test_kinds_of_records_are_registered_by_two(platform: Installation, terminal: Terminal) -> None:
    await terminal.grant("provider", f"bank-a/{BANK_A.domain}", "reader", "--duty", "data_provider")
    await terminal.grant("one", "exchange/board", "administrator")
    kept, file = Terminal(terminal.directory, "catalogue"), terminal.directory / "entry.json"
    fields = [{"name": "case", "tier": 2, "search": "reference"}, {"name": "person", "tier": 4}]
    entry = {"tenant": "bank-a", "kind": "urn:case", "provider": BANK_A.domain, "legal_basis": "AML law, art. 5"}
    file.write_text(json.dumps(entry | {"fields": fields}))
    await kept.run("adopt", "1", str(file), *kept.signs("provider"), code=1)
    assert "version 1 is proposed" in await kept.run("propose", str(file), *kept.signs("one"))
    assert await kept.rows("list", "--tenant", "bank-a", "--kind", "urn:case") == []
    await kept.run("adopt", "1", str(file), *kept.signs("one"), code=1)
    assert "version 1 is in force" in await kept.run("adopt", "1", str(file), *kept.signs("provider"))
    found = await kept.rows("list", "--tenant", "bank-a", "--kind", "urn:case")
    assert [(row["field"], row["tier"], row["search"], row["sharing"]) for row in found] == [
        ("case", 2, "reference", "not_shared"),
        ("person", 4, None, "not_shared"),
    ]
    (version,) = await kept.rows("versions", "bank-a", "urn:case")
    assert (version["version"], version["proposer"], version["adopter"]) == (1, "one", "provider")
    assert json.loads(await kept.run("versions", "bank-a", "urn:case", "--text", "1"))["provider"] == BANK_A.domain
    await kept.run("versions", "bank-a", "urn:case", "--text", "2", code=1)
    file.write_text(json.dumps(entry | {"fields": [{"name": "case", "tier": 9}]}))
    await kept.run("propose", str(file), *kept.signs("one"), code=1)
    await platform.sequence()
    assert (await platform.audit()).findings == []


async def test_people_ask_approve_look_why_and_revoke(platform: Installation, terminal: Terminal) -> None:
    await terminal.grant("reader", "bank-b/risk", "reader", "--tier", "2")
    await terminal.grant("head", "bank-b/risk", "reader", "--duty", "unit_head")
    await terminal.grant("provider", "bank-a/payments", "reader", "--duty", "data_provider")
    await terminal.grant("one", "exchange/board", "administrator")
    await terminal.grant("other", "exchange/office", "administrator")
    text = terminal.directory / "policies.cedar"
    text.write_text(default_policies() + POLICIES)
    (gain, *_) = await terminal.rows("diff", str(text), "--purpose", "casework", code=1)
    assert (gain["person"], gain["change"], gain["field"], gain["approval"]) == ("head", "gains", "amount", 2)
    await terminal.run("propose", str(text), *terminal.signs("one"))
    await terminal.run("adopt", "1", str(text), *terminal.signs("one"), code=1)
    await terminal.run("adopt", "1", str(text), *terminal.signs("other"))
    assert await terminal.rows("diff", str(text)) == []
    assert [row["adopter"] for row in await terminal.rows("policies")] == ["other"]

    where = ["--tenant", "bank-a", "--domain", BANK_A.domain, "--kind", TRANSACTION, "--purpose", "casework"]
    words = [*where, "--field", "amount", "--reason", "case 17", "--basis", "AML law, art. 5", "--level", "2"]
    name = (await terminal.run("request", *words, *terminal.signs("reader"))).strip()
    await terminal.run("approve", name, *terminal.signs("provider"), code=1)
    assert (await terminal.run("approve", name, *terminal.signs("head"))).strip() == f"{name}: pending"
    assert (await terminal.run("approve", name, *terminal.signs("provider"))).strip() == f"{name}: granted"
    (row,) = await terminal.rows("requests")
    assert (row["state"], row["steps"], row["next"]) == ("granted", ["head", "provider"], None)

    why = {row["field"]: row for row in await terminal.rows("explain", "reader", *where, "--level", "2")}
    assert (why["amount"]["state"], why["amount"]["because"]) == ("open", ["approved"])
    assert why["currency"]["state"] == "sealed"
    assert {row["state"] for row in await terminal.rows("explain", "reader", *where)} == {"sealed"}

    assert (await terminal.run("revoke", name, *terminal.signs("head"))).strip() == f"{name}: revoked"
    second = (await terminal.run("request", *words, *terminal.signs("reader"))).strip()
    refused = await terminal.run("refuse", second, "--reason", "no case", *terminal.signs("head"))
    assert refused.strip() == f"{second}: refused"
    await terminal.run("dismiss", "reader")
    assert {row["person"]: row["active"] for row in await terminal.rows("people")}["reader"] is False
    await platform.sequence()
    assert (await platform.audit()).findings == []


async def test_who_is_granted_a_duty_keeps_the_key_they_have(terminal: Terminal) -> None:
    await terminal.grant("head", "bank-b/risk", "reader")
    before = (await terminal.rows("people"))[0]
    unit = ["--tenant", "bank-b", "--department", "risk", "--role", "reader", "--duty", "unit_head"]
    await terminal.run("grant", "head", *unit, "--keep-key")
    after = (await terminal.rows("people"))[0]
    assert (after["key"], after["duties"]) == (before["key"], ["unit_head"])
    assert after["key"] is not None
    await terminal.run("grant", "nobody", *unit, "--keep-key", code=1)
    await terminal.run("grant", "head", *unit, "--keep-key", "--key", str(terminal.directory / "head.pub"), code=2)


async def test_an_api_key_is_shown_once(platform: Installation, terminal: Terminal) -> None:
    await terminal.grant("reader", "bank-b/risk", "reader", "--tier", "2")
    text = (await terminal.run("keys", "add", "reader", "--action", "read", "--tier", "1", "--days", "7")).strip()
    key_id = text.split("_")[1]
    listed = await terminal.run("keys", "list", "--json")
    assert key_id in listed
    assert text not in listed
    await terminal.run("keys", "revoke", key_id)
    await terminal.run("keys", "revoke", key_id, code=1)
    await terminal.run("keys", "add", "reader", "--action", "fly", code=2)
    await terminal.run("keys", "add", "nobody", "--action", "read", code=1)
    assert (await terminal.rows("keys", "list"))[0]["revoked_at"] is not None


async def test_a_decision_is_made_again_without_any_server(terminal: Terminal) -> None:
    found = PolicySet.parse(default_policies())
    about = question()
    decided = DecisionRecord.of(about, Decider(found).decide(about))
    name = "5d4a2a3e-0a5e-4a50-9d0c-000000000001"
    record = LookRecord(
        person=decided.person,
        purpose=decided.purpose,
        asked=f"show {name}",
        version=0,
        decisions=(decided,),
        records=((name, (0,)),),
    )
    file, text = terminal.directory / "record.json", terminal.directory / "p.cedar"
    file.write_bytes(record.encode())
    text.write_text(default_policies())
    salt = os.urandom(16)
    given = [
        "--salt",
        salt.hex(),
        "--commitment",
        Commitments.SHA256.commit(salt, record.encode()).hex(),
        "--policies",
        str(text),
    ]
    assert "as the policies say" in await terminal.run("replay", str(file), *given)
    text.write_text("")
    await terminal.run("replay", str(file), *given, code=1)


async def test_the_embedded_issuer_is_refused_in_production(platform: Installation) -> None:
    identity = platform.identity
    issuer = open_embedded_issuer(load_settings(), "http://127.0.0.1:8080", identity)
    assert issuer.issuer.audience == "sealstream"
    production = load_settings(
        env="production",
        database_url="postgresql://db/x",
        kafka_bootstrap="kafka:9092",
        kafka_protocol="SSL",
    )
    with pytest.raises(ConfigurationError, match="embedded issuer"):
        open_embedded_issuer(production, "http://127.0.0.1:8080", identity)
