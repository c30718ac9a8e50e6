"""A process that serves one tier of one domain holds no key that opens another: what it has, and what it asked for."""

import pytest

from agents.opening.reading import Reader
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, load_knowledge
from schemas.tenant import PLATFORM_TENANT
from security.file_keyring import FileKeyring
from security.key_provider import KeyUnavailable
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.recording_keyring import RecordingKeyring

OURS = (BANK_A.tenant, BANK_A.domain)


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    """A record and a dead letter of each of two banks, and one of nobody's."""
    inbox = Inbox()
    for bank in (BANK_A, BANK_B):
        bank.put(inbox, transaction("one"), transaction("bad", amount="-1"))
    inbox.put_raw([("ce_id", b"x")], b"somebody's bytes")
    await worker.commit(inbox.take())
    return platform


async def narrow_reader(filled: Installation, keyring: RecordingKeyring) -> Reader:
    identity = Identity(keyring, filled.identity.origin_prefix)
    knowledge = await load_knowledge(filled.database, identity, max_tier=2, domains=[OURS])
    assert knowledge.tier_keys.held() == [(*OURS, 1), (*OURS, 2)]
    return Reader(filled.database, identity, knowledge, identity.new_worker(), tier=2, actor="somebody")


async def test_tier_2_of_one_domain_holds_and_asks_for_nothing_else(filled: Installation) -> None:
    keyring = RecordingKeyring(FileKeyring(filled.keyring_dir))
    reader = await narrow_reader(filled, keyring)
    views = await reader.list()
    assert {(view.stored.tenant, view.stored.domain) for view in views} == {OURS}
    for view in views:
        assert {field.state for field in view.fields.values() if field.tier <= 2} == {"open"}
        assert {field.state for field in view.fields.values() if field.tier > 2} == {"sealed"}
    await reader.search("account", "GB33BUKB20201555555555")
    for letter in await reader.dead_letters():
        seen = await reader.show_dead_letter(letter.dead_letter_id)
        assert seen is not None
        assert seen.state == "sealed"  # tier 4, or another domain's
    asked = {(scope.tenant, scope.domain, scope.tier) for scope in keyring.unwrapped + keyring.wrapped}
    # To seal what it looked at, in the logs where that is said; those keys open no field of any record.
    looks = {place for place in asked if place[1] == ACCESS_DOMAIN}
    assert asked - looks == {(*OURS, 1), (*OURS, 2)}
    assert {tenant for tenant, _, _ in looks} == {BANK_A.tenant, PLATFORM_TENANT}


async def test_stored_keys_of_others_do_not_open_with_what_it_holds(filled: Installation) -> None:
    knowledge = await load_knowledge(filled.database, filled.identity, max_tier=2, domains=[OURS])
    rows = await filled.rows("SELECT tenant, domain, tier, key_id FROM tier_keys")
    opened = set()
    for row in rows:
        try:
            knowledge.tier_keys.by_id(row["key_id"])
        except KeyUnavailable:
            continue
        opened.add((row["tenant"], row["domain"], row["tier"]))
    assert opened == {(*OURS, 1), (*OURS, 2)}
    assert len(rows) > len(opened)


async def test_a_narrow_process_makes_no_key_that_it_may_not_hold(filled: Installation) -> None:
    await filled.execute("DELETE FROM tier_keys WHERE tier IN (2, 5) OR tenant = $1", BANK_B.tenant)
    keyring = RecordingKeyring(FileKeyring(filled.keyring_dir))
    await narrow_reader(filled, keyring)
    assert [(scope.tenant, scope.domain, scope.tier) for scope in keyring.wrapped] == [(*OURS, 2)]


async def test_a_record_of_another_domain_is_not_shown_by_its_id_either(filled: Installation) -> None:
    (theirs,) = await filled.rows("SELECT record_id FROM results WHERE tenant = $1", BANK_B.tenant)
    reader = await narrow_reader(filled, RecordingKeyring(FileKeyring(filled.keyring_dir)))
    assert list(await reader.show(theirs["record_id"])) == []
