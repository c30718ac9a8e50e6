import asyncio
from uuid import UUID

import asyncpg
import msgspec
import pytest

from agents.opening.reading import Reader
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, ACCESS_TIER, load_knowledge
from schemas.catalogue import DEFAULT_CATALOGUE
from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from security.file_keyring import FileKeyring
from security.key_provider import Scope
from security.merkle import leaf_hash, tree_root
from security.opening import FieldOpener
from streams.storage.keys import read_data_keys
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import OWNER, Inbox, entry, statement, transaction
from tests.support.recording_keyring import RecordingKeyring

TIERS = {row.field: row.tier for row in DEFAULT_CATALOGUE if row.record_type == "io.sealstream.transaction.v1"}


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    """Three transactions of one bank, one of another, a statement and three refusals."""
    inbox = Inbox()
    BANK_A.put(
        inbox,
        transaction("a1"),
        transaction("a2", counterparty_name="张 伟", counterparty_account="6222021234567890123"),
        transaction("a3", counterparty_name="ＭÜLLER  Söhne, GmbH & Co. KG", end_to_end_id="NOTPROVIDED"),
        statement("s1", [entry("R1"), entry("R2", stated="1,0")]),
        transaction("bad", amount="-1"),
    )
    BANK_B.put(inbox, transaction("b1"))
    inbox.put_raw([("ce_id", b"x")], b"somebody's bytes \xff")
    await worker.commit(inbox.take())
    await platform.sequence()
    return platform


@pytest.mark.parametrize("tier", range(1, 6))
async def test_fields_up_to_the_tier_are_open_and_the_others_are_there_sealed(filled: Installation, tier: int) -> None:
    for view in await (await filled.reader(tier)).list():
        assert {"amount", "label", "counterparty_name"} <= view.fields.keys()
        for name, field in view.fields.items():
            assert field.tier == TIERS[name]
            if field.tier <= tier:
                assert field.state == "open"
                assert field.value is not None
            else:
                assert (field.state, field.value, field.salt, field.commitment) == ("sealed", None, None, None)


@pytest.mark.parametrize("tier", range(1, 6))
async def test_the_keys_of_higher_tiers_are_never_asked_for(filled: Installation, tier: int) -> None:
    keyring = RecordingKeyring(FileKeyring(filled.keyring_dir))
    identity = Identity(keyring, filled.identity.origin_prefix)
    knowledge = await load_knowledge(filled.database, identity, max_tier=tier)
    reader = Reader(filled.database, identity, knowledge, identity.new_worker(), tier=tier, actor="somebody")
    (record, *_) = await reader.list()
    await reader.show(record.stored.record_id)
    await reader.search("account", OWNER.iban)
    (letter, *_) = await reader.dead_letters()
    await reader.show_dead_letter(letter.dead_letter_id)
    asked = {scope for scope in keyring.unwrapped if scope.domain != ACCESS_DOMAIN}
    assert {scope.tier for scope in asked} == set(range(1, tier + 1))
    # To seal the list of what was shown a key of its own is needed, and it opens no field.
    assert {scope.tier for scope in keyring.unwrapped if scope.domain == ACCESS_DOMAIN} == {ACCESS_TIER}


async def test_a_reader_without_the_key_of_its_own_tier_gets_no_field(filled: Installation) -> None:
    knowledge = await load_knowledge(filled.database, filled.identity, max_tier=2)
    # Cleared for more than it has keys for: refused, not shown without the field.
    reader = Reader(filled.database, filled.identity, knowledge, filled.identity.new_worker(), tier=3, actor="x")
    with pytest.raises(Exception, match="key 'tk-"):
        await reader.list()


async def reads(platform: Installation) -> list[dict[str, object]]:
    return [leaf for leaf in await platform.leaves() if leaf["kind"] in ("read", "search")]


async def test_a_look_is_one_leaf_in_each_log_it_touches_with_the_root_of_what_it_showed(filled: Installation) -> None:
    views = await (await filled.reader(2)).list()
    found = await reads(filled)
    assert len(found) == 2
    by_count = {leaf["count"]: leaf for leaf in found}
    shown = {
        tenant: [v.stored.record_id for v in views if v.stored.tenant == tenant] for tenant in ("bank-a", "bank-b")
    }
    for ids in shown.values():
        leaf = by_count[len(ids)]
        assert leaf["unit"] == tree_root([leaf_hash(name.bytes) for name in ids]).hex()
        assert leaf["basis"] == "tier:2"
    await filled.sequence()
    report = await filled.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_the_list_of_what_was_shown_is_kept_sealed(filled: Installation) -> None:
    views = await (await filled.reader(1)).list(tenant="bank-b")
    (row,) = await filled.rows("SELECT * FROM disclosures")
    (shown,) = [view.stored.record_id for view in views]
    for column in row.values():
        assert shown.bytes not in column if isinstance(column, bytes) else str(shown) not in str(column)
    async with filled.database.session() as connection:
        keys = {(key.pass_id, key.domain, key.tier): key for key in await read_data_keys(connection, [row["pass_id"]])}
    knowledge = await load_knowledge(filled.database, filled.identity)
    opener = FieldOpener(knowledge.access_keys, lambda *place: keys.get(place), 5)
    opened = opener.open_record(
        "bank-b", ACCESS_DOMAIN, row["commit_id"].to_bytes(16, "big"), row["pass_id"], row["sealed"]
    )
    assert opened["ids"].value is not None
    assert msgspec.msgpack.decode(opened["ids"].value) == [shown.bytes]


async def test_who_looked_is_a_pseudonym_that_stays_the_same_within_a_tenant(filled: Installation) -> None:
    for actor in ("mika@example.org", "noor@example.org", "mika@example.org"):
        await (await filled.reader(1, actor=actor)).list()
    for tenant in ("bank-a", "bank-b"):
        first, other, again = [leaf["actor"] for leaf in await filled.leaves(tenant) if leaf["kind"] == "read"]
        assert first == again != other
    a, b = [
        {leaf["actor"] for leaf in await filled.leaves(tenant) if leaf["kind"] == "read"}
        for tenant in ("bank-a", "bank-b")
    ]
    assert not a & b
    bodies = await filled.rows("SELECT body FROM bundles")
    assert not [row for row in bodies if b"mika" in row["body"] or b"noor" in row["body"]]


@pytest.mark.parametrize("way", ["list", "show", "search", "show_dead_letter"])
async def test_nothing_is_shown_when_the_look_cannot_be_logged(filled: Installation, way: str) -> None:
    reader = await filled.reader(5)
    (record, *_) = await filled.rows("SELECT record_id FROM results WHERE tenant = 'bank-a'")
    (letter, *_) = await filled.rows("SELECT dead_letter_id FROM dead_letters")
    looks = {
        "list": lambda: reader.list(),
        "show": lambda: reader.show(record["record_id"]),
        "search": lambda: reader.search("account", OWNER.iban),
        "show_dead_letter": lambda: reader.show_dead_letter(letter["dead_letter_id"]),
    }
    await filled.execute("ALTER TABLE bundles ADD CONSTRAINT no_more CHECK (commit_id < 0) NOT VALID")
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await looks[way]()
        assert await reads(filled) == []
    finally:
        await filled.execute("ALTER TABLE bundles DROP CONSTRAINT no_more")
    assert await looks[way]()
    assert await reads(filled)


async def test_a_look_is_durable_before_anything_is_handed_out(filled: Installation) -> None:
    """While the leaf can't be committed the reader waits, and has nothing to show yet."""
    reader = await filled.reader(5)
    await reader.list()
    before = len(await reads(filled))
    blocker = await asyncpg.connect(filled.dsn)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE bundles IN EXCLUSIVE MODE")
            looking = asyncio.create_task(reader.list())
            done, _ = await asyncio.wait([looking], timeout=0.5)
            assert not done
        assert await looking
        assert len(await reads(filled)) == before + 2
    finally:
        await blocker.close()


@pytest.mark.parametrize(
    ("field", "value", "count"),
    [
        pytest.param("account", OWNER.iban, 5, id="an-iban"),
        pytest.param("account", "de89 3704-0044 0532 0130 00", 5, id="an-iban-as-it-is-written-on-paper"),
        pytest.param("account", "DE89370400440532013001", 0, id="another-iban"),
        pytest.param("counterparty_account", "6222 0212 3456 7890 123", 1, id="a-domestic-account"),
        pytest.param("counterparty_name", "zoé  LEFÈVRE", 3, id="a-name-in-other-letters"),
        pytest.param("counterparty_name", "Zoe\u0301 Lefe\u0300vre", 3, id="a-name-in-parts"),
        pytest.param("counterparty_name", "张伟", 1, id="a-chinese-name"),
        pytest.param("counterparty_name", "张　伟", 1, id="a-chinese-name-set-apart"),
        pytest.param("counterparty_name", "Müller Söhne GmbH Co KG", 1, id="a-name-without-its-signs"),
        pytest.param("counterparty_name", "Müller", 0, id="a-part-of-a-name"),
        pytest.param("end_to_end_id", "E2E-a1", 1, id="a-reference"),
        pytest.param("end_to_end_id", " E2E-a1 ", 1, id="a-reference-with-spaces"),
        pytest.param("end_to_end_id", "NOTPROVIDED", 0, id="no-reference"),
        pytest.param("end_to_end_id", "e2e-a1", 0, id="a-reference-in-other-letters"),
    ],
)
async def test_a_search_finds_equal_values_however_they_are_written(
    filled: Installation, field: str, value: str, count: int
) -> None:
    views = await (await filled.reader(3)).search(field, value)
    assert len(views) == count
    (look, *_) = await reads(filled)
    assert look["kind"] == "search"


async def test_a_search_is_logged_even_when_it_finds_nothing(filled: Installation) -> None:
    assert not await (await filled.reader(1)).search("account", "XX00")
    (look,) = await reads(filled)
    assert (look["kind"], look["count"]) == ("search", 0)


@pytest.mark.parametrize("field", ["amount", "remittance_information", "nonsense", "evidence"])
async def test_a_field_that_is_not_searchable_is_refused(filled: Installation, field: str) -> None:
    with pytest.raises(ConfigurationError, match="not searchable"):
        await (await filled.reader(5)).search(field, "1")


async def test_a_message_s_records_are_shown_by_the_message_s_id_and_an_unknown_id_shows_nothing(
    filled: Installation,
) -> None:
    reader = await filled.reader(1)
    (message,) = await filled.rows("SELECT message_id FROM messages WHERE type LIKE '%statement%'")
    assert len(await reader.show(message["message_id"])) == 1
    assert await reader.show(UUID(int=1)) == []


async def test_a_limit_limits_and_a_tenant_s_list_has_no_other_tenant_in_it(filled: Installation) -> None:
    reader = await filled.reader(1)
    assert len(await reader.list(limit=2)) == 2
    assert {view.stored.tenant for view in await reader.list(tenant="bank-b")} == {"bank-b"}
    assert await reader.list(tenant="nobody") == []


async def test_dead_letters_are_listed_by_reason_without_their_content(filled: Installation) -> None:
    reader = await filled.reader(1)
    letters = await reader.dead_letters()
    assert sorted(letter.reason for letter in letters) == ["malformed", "schema_violation", "schema_violation"]
    assert len(await reader.dead_letters(reason=Reason.MALFORMED)) == 1
    assert await reader.dead_letters(reason=Reason.CONFLICT) == []
    assert not await reads(filled)


@pytest.mark.parametrize(("tier", "state"), [(1, "sealed"), (3, "sealed"), (4, "open"), (5, "open")])
async def test_a_rejected_message_s_bytes_are_tier_4(filled: Installation, tier: int, state: str) -> None:
    reader = await filled.reader(tier)
    (letter,) = await reader.dead_letters(reason=Reason.MALFORMED)
    view = await reader.show_dead_letter(letter.dead_letter_id)
    assert view is not None
    assert view.state == state
    if state == "open":
        assert (list(view.headers or ()), view.value) == ([("ce_id", "x")], "somebody's bytes \\xff")
    else:
        assert (view.headers, view.value) == (None, None)
    (look,) = await reads(filled)
    assert look["count"] == 1


async def test_an_unknown_dead_letter_is_none(filled: Installation) -> None:
    assert await (await filled.reader(5)).show_dead_letter(UUID(int=1)) is None


async def test_one_tenant_s_keys_open_nothing_of_another_s(filled: Installation) -> None:
    """A process that was given the files of one bank alone."""
    keyring = RecordingKeyring(FileKeyring(filled.keyring_dir))
    knowledge = await load_knowledge(filled.database, Identity(keyring, filled.identity.origin_prefix))
    rows = await filled.rows("SELECT * FROM results WHERE tenant = 'bank-b'")
    async with filled.database.session() as connection:
        keys = {(k.pass_id, k.domain, k.tier): k for k in await read_data_keys(connection, [rows[0]["pass_id"]])}
    opener = FieldOpener(knowledge.tier_keys, lambda *place: keys.get(place), 5)
    row = rows[0]
    assert opener.open_record("bank-b", "payments", row["record_id"].bytes, row["pass_id"], row["sealed"])
    with pytest.raises(Exception, match="field"):
        opener.open_record("bank-a", "payments", row["record_id"].bytes, row["pass_id"], row["sealed"])
    assert Scope("bank-b", "payments", 3) in keyring.unwrapped
