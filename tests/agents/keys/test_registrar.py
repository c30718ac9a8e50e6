"""Changes of the key registry, each with its leaf; and what an audit says of rows that no leaf speaks for."""

import datetime as dt
from dataclasses import replace

import msgspec
import pytest

from agents.keys.affected import affected_messages
from agents.keys.registrar import NewKey
from agents.platform.actor import pseudonym
from agents.platform.knowledge import load_knowledge, signing_key
from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from security.algorithms import Algorithm, SignatureEncoding
from security.jwk import parse_jwk, thumbprint
from security.key_files import private_jwk
from security.signing import Ed25519Signer, Sm2Signer
from streams.storage.keys import SigningKeyRow, list_signing_keys
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import APPENDED_MS, Inbox, transaction

KEY = Ed25519Signer("k", b"s" * 32).jwk
JWK = msgspec.json.encode(KEY.to_members())
NEW = NewKey(name="k", jwk=KEY, tenant="bank-c", domain="d", sources=["urn:c"])
APPENDED = dt.datetime.fromtimestamp(APPENDED_MS / 1000, dt.UTC)
HOUR = dt.timedelta(hours=1)


async def registered(platform: Installation) -> set[str]:
    async with platform.database.session() as connection:
        return {row.key_id for row in await list_signing_keys(connection)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"name": "../k"}, "key name", id="a-bad-name"),
        pytest.param({"name": BANK_A.key_id}, "share a key id|registered already", id="a-name-that-is-taken"),
        pytest.param({"tenant": "Bank A"}, "tenant", id="a-bad-tenant"),
        pytest.param({"tenant": "../x"}, "tenant", id="a-tenant-with-a-path"),
        pytest.param({"tenant": "platform"}, "platform's own", id="the-platform-itself"),
        pytest.param({"domain": ""}, "domain", id="no-domain"),
        pytest.param({"domain": "_access"}, "domain", id="the-domain-of-disclosures"),
        pytest.param({"sources": [BANK_A.source]}, "source", id="another-tenant-s-source"),
        pytest.param({"sources": ["urn:test:*"]}, "source", id="a-pattern-over-another-tenant-s-source"),
        pytest.param({"sources": []}, "source", id="no-source"),
        pytest.param({"jwk": b"{}"}, "JWK", id="no-key"),
        pytest.param({"jwk": b"not JSON"}, "JWK", id="no-json"),
        pytest.param({"jwk": private_jwk("k", Algorithm.ED25519, b"s" * 32)}, "private", id="a-private-key"),
    ],
)
async def test_what_may_not_be_registered_is_not(platform: Installation, change: dict[str, object], says: str) -> None:
    before = await registered(platform)
    given = {"name": "k", "jwk": JWK, "tenant": "bank-c", "domain": "d", "sources": ["urn:c"]} | change
    name, jwk = given.pop("name"), given.pop("jwk")
    with pytest.raises(ConfigurationError, match=f"(?i){says}"):
        await platform.registrar().register(NewKey(name=name, jwk=parse_jwk(jwk), **given))  # type: ignore[arg-type]
    assert await registered(platform) == before


async def test_the_private_half_is_never_registered(platform: Installation) -> None:
    (row,) = await platform.registrar().register(NEW)
    stored = await platform.one("SELECT jwk::text FROM signing_keys WHERE key_id = 'k'")
    assert "d" not in row.jwk
    assert "d" not in msgspec.json.decode(stored)


async def test_two_keys_of_one_tenant_may_sign_for_one_source(platform: Installation) -> None:
    await platform.registrar().register(replace(BANK_A.new_key(), name="next", jwk=KEY))
    assert "next" in await registered(platform)


async def test_what_decides_how_signatures_are_checked_is_part_of_the_record(platform: Installation) -> None:
    record = replace(Sm2Signer("sm2", b"s" * 32, "bank@example.cn").jwk, encoding=SignatureEncoding.DER)
    await platform.registrar().register(replace(NEW, name="sm2", jwk=record))
    key = (await load_knowledge(platform.database, platform.identity)).registry.get("sm2")
    assert key is not None
    assert (key.algorithm, key.public_key) == (Algorithm.SM2, record.public_key)
    assert (key.encoding, key.signer_id) == (SignatureEncoding.DER, "bank@example.cn")


async def stored(platform: Installation, name: str) -> SigningKeyRow:
    async with platform.database.session() as connection:
        (row,) = [row for row in await list_signing_keys(connection) if row.key_id == name]
    return row


async def found(platform: Installation) -> list[str]:
    return [str(finding) for finding in (await platform.audit()).findings]


async def test_a_window_that_is_empty_is_refused(platform: Installation) -> None:
    with pytest.raises(ConfigurationError, match="ends before it begins"):
        await platform.registrar().register(replace(NEW, not_before=APPENDED, not_after=APPENDED))


async def test_of_several_keys_all_are_registered_or_none(platform: Installation) -> None:
    with pytest.raises(ConfigurationError):
        await platform.registrar().register(NEW, replace(NEW, name="k2", sources=[BANK_A.source]))
    assert not await registered(platform) & {"k", "k2"}
    assert len(await platform.leaves(of_keys=True)) == 2
    await platform.registrar().register(NEW, replace(NEW, name="k2"))
    assert {"k", "k2"} <= await registered(platform)


async def test_every_change_is_a_leaf_that_names_its_actor_and_what_changed(platform: Installation) -> None:
    registrar = platform.registrar(actor="officer@example.org")
    await registrar.register(replace(NEW, not_before=APPENDED))
    await registrar.rotate("k", "k2", Ed25519Signer("k2", b"2" * 32).jwk, HOUR)
    revoked = await registrar.revoke("k", APPENDED + HOUR)
    await registrar.require("urn:c", tenant="bank-c", signatures=1, algorithms=[Algorithm.ED25519])
    leaves = await platform.leaves("bank-c", of_keys=True)
    assert {leaf["actor"] for leaf in leaves} == {pseudonym(platform.identity.keyring, "bank-c", "officer@example.org")}
    assert {leaf["basis"] for leaf in leaves} == {"alone"}
    first, second, limited, last, policy = [leaf["key"] for leaf in leaves]
    assert first == {
        "algorithm": "Ed25519",
        "change": "register",
        "domain": "d",
        "id": "k",
        "not_before": "2026-01-05T08:00:00.000000Z",
        "sources": ["urn:c"],
        "thumbprint": thumbprint(KEY.public_key),
    }
    assert (second["change"], second["id"], second["follows"]) == ("register", "k2", "k")
    assert (limited["change"], limited["id"]) == ("limit", "k")
    assert dt.datetime.fromisoformat(limited["not_after"]) == revoked.not_after
    assert (last["change"], last["revoked"]) == ("revoke", "2026-01-05T09:00:00.000000Z")
    assert (policy["change"], policy["sources"], policy["algorithms"]) == ("policy", ["urn:c"], ["Ed25519"])


async def test_changes_are_verified_before_and_after_they_have_a_place(platform: Installation) -> None:
    registrar = platform.registrar()
    await registrar.register(NEW)
    await registrar.rotate("k", "k2", Ed25519Signer("k2", b"2" * 32).jwk, HOUR)
    await registrar.revoke("k")
    await registrar.require("urn:c", tenant="bank-c", signatures=1)
    assert await found(platform) == []
    await platform.sequence()
    assert await found(platform) == []
    assert sum(log.key_changes for log in (await platform.audit()).logs) == 2 + 5


async def test_a_successor_takes_over_with_an_overlap(platform: Installation) -> None:
    await platform.registrar().register(NEW)
    new = await platform.registrar().rotate("k", "k2", Ed25519Signer("k2", b"2" * 32).jwk, HOUR)
    old = await stored(platform, "k")
    assert (new.tenant, new.domain, new.sources) == ("bank-c", "d", ["urn:c"])
    assert new.not_before is not None
    assert old.not_after == new.not_before + HOUR
    with pytest.raises(ConfigurationError, match="share a key id"):
        await platform.registrar().rotate("k", "k2", Ed25519Signer("k3", b"3" * 32).jwk, HOUR)
    await platform.registrar().rotate("k", "k3", Ed25519Signer("k3", b"3" * 32).jwk, 2 * HOUR)
    assert (await stored(platform, "k")).not_after == old.not_after, "a rotation never lengthens a validity"


async def test_a_key_that_counts_no_more_has_no_successor(platform: Installation) -> None:
    await platform.registrar().revoke(BANK_A.key_id)
    with pytest.raises(ConfigurationError, match="does not count any more"):
        await platform.registrar().rotate(BANK_A.key_id, "k2", KEY, HOUR)


async def test_a_revocation_only_ever_moves_back(platform: Installation) -> None:
    await platform.registrar().revoke(BANK_A.key_id, APPENDED)
    for later in (None, APPENDED, APPENDED + HOUR):
        with pytest.raises(ConfigurationError, match="already"):
            await platform.registrar().revoke(BANK_A.key_id, later)
    await platform.registrar().revoke(BANK_A.key_id, APPENDED - HOUR)
    assert (await stored(platform, BANK_A.key_id)).revoked_at == APPENDED - HOUR
    assert await found(platform) == []


async def test_what_was_accepted_since_is_kept_counted_and_listed(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"), transaction("bad", amount="-1"))
    BANK_B.put(inbox, transaction("other"))
    await worker.commit(inbox.take())
    await platform.sequence()
    await platform.registrar().revoke(BANK_A.key_id, APPENDED)
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("late"))
    await worker.commit(inbox.take())
    await platform.sequence()
    reasons = [leaf.get("reason") for leaf in await platform.leaves()]
    assert sorted(filter(None, reasons)) == sorted([Reason.KEY_REVOKED, Reason.SCHEMA_VIOLATION])
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert {log.tenant: dict(log.affected) for log in report.logs if log.affected} == {"bank-a": {BANK_A.key_id: 2}}
    async with platform.database.session() as connection:
        listed = [each async for each in affected_messages(connection, BANK_A.key_id)]
    leaves = {leaf["message"]: leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "result"}
    assert {each.message for each in listed} == leaves.keys()
    assert len(listed) == 2


@pytest.mark.parametrize(("name", "says"), [("nobody", "no key named"), (BANK_B.key_id, "is not revoked")])
async def test_only_a_revoked_key_affects_anything(platform: Installation, name: str, says: str) -> None:
    async with platform.database.session() as connection:
        with pytest.raises(ConfigurationError, match=says):
            _ = [each async for each in affected_messages(connection, name)]


async def test_what_a_revoked_key_signed_may_not_be_committed_behind_the_revocation(
    platform: Installation, worker: Worker
) -> None:
    """Somebody takes the revocation back by SQL for a while, so that a worker accepts, and puts it there again."""
    await platform.registrar().revoke(BANK_A.key_id, APPENDED)
    await platform.execute("UPDATE signing_keys SET revoked_at = NULL WHERE key_id = $1", BANK_A.key_id)
    await worker.parts.reload()
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    await platform.execute("UPDATE signing_keys SET revoked_at = $2 WHERE key_id = $1", BANK_A.key_id, APPENDED)
    await platform.sequence()
    (text,) = await found(platform)
    assert "does not verify again (key_revoked" in text


TAMPERED = [
    pytest.param("UPDATE signing_keys SET sources = '{urn:test:bank-a:*}'", "sources in its row", id="sources"),
    pytest.param("UPDATE signing_keys SET domain = 'cards'", "domain in its row", id="domain"),
    pytest.param("UPDATE signing_keys SET not_before = now()", "not_before in its row", id="start"),
    pytest.param("UPDATE signing_keys SET not_after = 'infinity'", "", id="an-end-that-is-none"),
    pytest.param("UPDATE signing_keys SET revoked_at = now()", "revoked in its row", id="revoked"),
    pytest.param("UPDATE signing_keys SET tenant = 'bank-c'", "no leaf says", id="another-tenant"),
    pytest.param("UPDATE signing_keys SET jwk = '{}'", "no key that we can use", id="no-key"),
    pytest.param(
        "UPDATE signing_keys SET jwk = jsonb_set(jwk, '{x}', (SELECT jwk->'x' FROM signing_keys "
        "WHERE key_id = 'bank-b-payments'))",
        "thumbprint in its row",
        id="another-key",
    ),
    pytest.param("DELETE FROM signing_keys", "its row in signing_keys is gone", id="deleted"),
]


@pytest.mark.parametrize(("statement", "says"), TAMPERED)
async def test_a_key_row_changed_by_sql_is_named(platform: Installation, statement: str, says: str) -> None:
    await platform.sequence()
    await platform.execute(f"{statement} WHERE key_id = '{BANK_A.key_id}'")
    texts = await found(platform)
    assert [text for text in texts if f"key {BANK_A.key_id}" in text and says in text], texts


async def test_a_key_row_added_by_sql_is_named_until_somebody_vouches_for_it(platform: Installation) -> None:
    await platform.execute(
        "INSERT INTO signing_keys (key_id, jwk, tenant, domain, sources) SELECT 'added', jwk, tenant, domain, sources "
        "FROM signing_keys WHERE key_id = $1",
        BANK_A.key_id,
    )
    (text,) = await found(platform)
    assert text.startswith("key added: no leaf says that it was registered; `sealstream keys confirm added`")
    await platform.registrar().confirm(["added"])
    assert await found(platform) == []


async def test_a_changed_row_that_is_confirmed_stays_named(platform: Installation) -> None:
    await platform.execute("UPDATE signing_keys SET domain = 'cards' WHERE key_id = $1", BANK_A.key_id)
    await platform.registrar().confirm([BANK_A.key_id])
    await platform.sequence()
    (text,) = await found(platform)
    assert f"confirm of key {BANK_A.key_id} changes domain too" in text


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        pytest.param("UPDATE source_policies SET signatures = 1", "signatures in its row", id="changed"),
        pytest.param("UPDATE source_policies SET since = since - interval '1 day'", "no leaf says", id="moved"),
        pytest.param("UPDATE source_policies SET algorithms = '{none}'", "is none", id="no-algorithm"),
        pytest.param("DELETE FROM source_policies", "its row in source_policies is gone", id="deleted"),
    ],
)
async def test_a_policy_changed_by_sql_is_named(platform: Installation, statement: str, says: str) -> None:
    await platform.registrar().require(BANK_A.source, tenant=BANK_A.tenant, signatures=2)
    await platform.execute(statement)
    texts = await found(platform)
    assert [text for text in texts if f"policy of {BANK_A.source}" in text and says in text], texts


async def test_a_policy_from_before_leaves_is_confirmed(platform: Installation) -> None:
    await platform.execute(
        "INSERT INTO source_policies (source, since, tenant, signatures, algorithms) VALUES ($1, now(), $2, 2, '{}')",
        BANK_A.source,
        BANK_A.tenant,
    )
    assert len(await found(platform)) == 1
    await platform.registrar().confirm([], [BANK_A.source])
    assert await found(platform) == []
    for names, sources in ((["nobody"], []), ([], ["urn:nobody"])):
        with pytest.raises(ConfigurationError):
            await platform.registrar().confirm(names, sources)


async def test_evidence_from_before_leaves_verifies_after_its_key_is_confirmed(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await platform.execute("DELETE FROM commits WHERE watermark = ''")
    await platform.execute(
        "DELETE FROM bundles WHERE (log_id, commit_id) NOT IN (SELECT log_id, commit_id FROM commits)"
    )
    await worker.commit(inbox.take())
    await platform.sequence()
    assert len(await found(platform)) == 2
    await platform.registrar().confirm([BANK_A.key_id, BANK_B.key_id])
    await platform.sequence()
    assert await found(platform) == []
    assert signing_key(await stored(platform, BANK_A.key_id)).refusal(APPENDED_MS) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bundles SET ends = ARRAY[ends, ends]",
        "UPDATE bundles SET body = set_byte(body, 20, get_byte(body, 20) # 1)",
        "DELETE FROM bundles",
    ],
)
@pytest.mark.parametrize("placed", [False, True], ids=["waiting", "placed"])
async def test_a_damaged_key_leaf_speaks_for_no_key(platform: Installation, statement: str, placed: bool) -> None:
    if placed:
        await platform.sequence()
    await platform.registrar().revoke(BANK_B.key_id)
    if placed:
        await platform.sequence()
    await platform.execute(statement)
    texts = await found(platform)
    assert [text for text in texts if text.startswith(f"key {BANK_A.key_id}: no leaf says")], texts
    async with platform.database.session() as connection:
        assert [each async for each in affected_messages(connection, BANK_B.key_id)] == []
