"""What a process without keys gets of the key release: what its look in the log says, decided anew, and no more."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from agents.access.keeper import AccessKeeper
from agents.access.look_log import WrittenLook
from agents.platform.data_keys import KeyPlace
from agents.platform.knowledge import ACCESS_DOMAIN, load_knowledge
from agents.release import Askers, KeptKeys, Refusal, Releaser, ReleaseRefused, ShownRecord
from security.access.decision import FieldState
from security.access.principal import Action
from security.commit_signature import CommitStatement, WorkerKey, WorkerKind, certify_worker
from security.file_keyring import FileKeyring
from security.handed_keys import HandedKeys
from security.key_provider import KeyUnavailable
from security.key_scopes import KeyScopes
from security.opening import FieldOpener
from security.sealing import SealingPass
from security.tier_keys import TierKeysLapsed
from tests.support.approving import HEAD, OFFICIAL, TAX_OFFICIAL
from tests.support.asking_process import EVERYTHING, HOUR, AskingProcess, asking_process, authenticator
from tests.support.exchange import MEMBERS
from tests.support.recording_keyring import AwayKeyring, RecordingKeyring

VISIBLE = {"id_number", "insurance_status"}


@pytest.fixture
async def asker(dsn: str, keyring_dir: Path) -> AsyncIterator[AskingProcess]:
    async with asking_process(dsn, keyring_dir) as found:
        yield found


def states(shown: ShownRecord) -> Mapping[str, FieldState]:
    return {name: field.state for name, field in shown.fields.items()}


async def test_it_opens_what_the_look_says_and_the_rest_has_no_value(asker: AskingProcess) -> None:
    look, _, _ = await asker.look()
    for _ in range(2):  # the same as often as it is asked
        shown = await asker.records(look)
        assert {name for name, state in states(shown).items() if state is FieldState.OPEN} == VISIBLE
        assert {name for name, field in shown.fields.items() if field.value is not None} == VISIBLE
        assert all(MEMBERS[name] in (shown.fields[name].value or "") for name in VISIBLE)


async def test_a_look_that_is_not_there_or_anothers_or_of_another_time_opens_nothing(asker: AskingProcess) -> None:
    look, _, log_id = await asker.look()
    assert await asker.refused(replace(look, commit_id=look.commit_id + 1_000)) is Refusal.NO_LOOK
    assert await asker.refused(replace(look, leaves={log_id: 7})) is Refusal.NO_LOOK
    assert await asker.refused(replace(look, leaves={10_000: 0})) is Refusal.NO_LOOK
    assert await asker.refused(replace(look, leaves={})) is Refusal.NO_LOOK
    other = asker.bureaus.platform.identity.new_worker()
    assert await asker.refused(look, worker=other.worker_id) is Refusal.NOT_YOURS
    assert await asker.refused(look, asker.names[1]) is Refusal.NOT_DECIDED
    assert await asker.refused(look, asker.names[0], asker.names[0]) is Refusal.NOT_DECIDED
    assert await asker.refused(look, uuid4()) is Refusal.NOT_DECIDED
    # A commit that is no look: a result's.
    rows = await asker.bureaus.platform.rows("SELECT log_id, commit_id, leaf FROM results LIMIT 1")
    worker = await asker.bureaus.platform.one(
        "SELECT worker_id FROM commits WHERE log_id = $1 AND commit_id = $2", rows[0]["log_id"], rows[0]["commit_id"]
    )
    result = WrittenLook(rows[0]["commit_id"], {rows[0]["log_id"]: rows[0]["leaf"]}, look.proof)
    assert await asker.refused(result, worker=worker) is Refusal.NO_LOOK
    for shift in (dt.timedelta(seconds=75), -dt.timedelta(seconds=30)):
        asker.ahead = shift
        assert await asker.refused(look) is Refusal.NOT_NOW


async def test_decisions_of_its_own_making_open_nothing(asker: AskingProcess) -> None:
    _, record, log_id = await asker.look()
    (decision,) = record.decisions
    opened = {name: ("open", ("social-security-level-2",)) for name, _, _ in decision.fields}
    change = msgspec.structs.replace
    forged: dict[str, dict[str, Any]] = {
        "answer": {"answer": opened},
        "tier": {"answer": opened, "tier": 5},
        "unit": {"unit": TAX_OFFICIAL.unit},
        "roles": {"roles": ("auditor",)},
        "approvals": {"approvals": tuple((name, 3) for name, _, _ in decision.fields)},
        "policy": {"policy": "0" * 64},
        "kind": {"record": (*decision.record[:3], "urn:schema:other")},
        "fields": {"fields": tuple((name, 1, sharing) for name, _, sharing in decision.fields)},
        "action": {"action": Action.RECEIPT.value},
        "time": {"time": "2020-01-01T00:00:00Z"},
    }
    for what, members in forged.items():
        look = await asker.forged(log_id, change(record, decisions=(change(decision, **members),)))
        reasons = {Refusal.NOT_NOW} if what == "time" else {Refusal.DECIDED_OTHERWISE, Refusal.NOT_DECIDED}
        assert await asker.refused(look) in reasons, what
    nobody = change(decision, person="nobody")
    look = await asker.forged(log_id, change(record, person="nobody", decisions=(nobody,)))
    assert await asker.refused(look) is Refusal.NOT_THEIRS
    # An approval covers the records that it names, and this other record is under no decision of the look.
    other = change(record, records=((str(asker.names[1]), (0,)),))
    assert await asker.refused(await asker.forged(log_id, other)) is Refusal.NOT_DECIDED
    denied = await asker.forged(log_id, record, kind="deny")
    assert await asker.refused(denied) is Refusal.NOT_DECIDED
    # What was honestly decided opens, whoever put it together.
    assert states(await asker.records(await asker.forged(log_id, record)))["id_number"] is FieldState.OPEN


async def test_what_holds_now_counts_and_not_what_held_when_it_was_decided(asker: AskingProcess) -> None:
    look, _, _ = await asker.look()
    await asker.bureaus.register(replace(OFFICIAL, active=False))
    assert await asker.refused(look) is Refusal.NOT_AUTHENTICATED
    await asker.bureaus.register(OFFICIAL)
    assert await asker.records(look)
    await asker.bureaus.act(asker.signing, HEAD, "revoke")
    assert await asker.refused(look) is Refusal.DECIDED_OTHERWISE


async def test_rows_that_were_tampered_with_prove_nothing(asker: AskingProcess) -> None:
    platform = asker.bureaus.platform
    look, record, log_id = await asker.look()
    other = await asker.forged(log_id, msgspec.structs.replace(record, asked="list"))
    await platform.execute(
        "UPDATE disclosures d SET pass_id = o.pass_id, sealed = o.sealed FROM disclosures o "
        "WHERE d.commit_id = $1 AND o.commit_id = $2",
        look.commit_id,
        other.commit_id,
    )
    assert await asker.refused(look) is Refusal.NOT_COMMITTED_TO
    await platform.execute("DELETE FROM disclosures WHERE commit_id = $1", look.commit_id)
    assert await asker.refused(look) is Refusal.NO_LOOK
    await platform.execute(
        "UPDATE commits SET signature = set_byte(signature, 4, 255 - get_byte(signature, 4)) WHERE commit_id = $1",
        other.commit_id,
    )
    assert await asker.refused(other) is Refusal.NOT_SIGNED
    third, _, _ = await asker.look()
    await platform.execute("UPDATE bundles SET body = set_byte(body, 9, 65) WHERE commit_id = $1", third.commit_id)
    assert await asker.refused(third) is Refusal.NO_LOOK


async def test_other_kinds_of_opening_need_their_own_decisions(asker: AskingProcess) -> None:
    look, _, log_id = await asker.look()
    me, (name, *_) = asker.worker.worker_id, asker.names
    for asking in (
        asker.releaser.handed(me, look, [name], evidence=True),
        asker.releaser.handed(me, look, [name], evidence=False),
        asker.releaser.letter(me, look, name),
        asker.releaser.shown_ids(me, look, log_id, [look.commit_id]),
    ):
        with pytest.raises(ReleaseRefused):
            await asking


async def test_a_release_of_some_tiers_holds_no_other_key_and_asks_for_none(asker: AskingProcess) -> None:
    platform = asker.bureaus.platform
    keyring = RecordingKeyring(FileKeyring(platform.keyring_dir))
    identity = replace(platform.identity, keyring=keyring)
    keys = KeptKeys(platform.database, identity, KeyScopes.parse(["registry/population/1-3"]), HOUR)
    held = await keys.current()
    assert held.knowledge.tier_keys.held() == [("registry", "population", tier) for tier in (1, 2, 3)]
    asked = {(each.tenant, each.domain, each.tier) for each in keyring.unwrapped + keyring.wrapped}
    assert {place for place in asked if place[1] != ACCESS_DOMAIN} == set(held.knowledge.tier_keys.held())
    keeper = AccessKeeper(platform.database, identity)
    askers = Askers(platform.database, authenticator(asker.bureaus).principal)
    releaser = Releaser(platform.database, identity, keeper, keys, askers)
    look, _, _ = await asker.look()
    (shown,) = await releaser.records(asker.worker.worker_id, look, asker.names[:1])
    # The other one of the two is tier 4.
    assert {name for name, state in states(shown).items() if state is FieldState.OPEN} == {"insurance_status"}
    with pytest.raises(ReleaseRefused):
        await releaser.data_keys([KeyPlace(1, "registry", "population", 4)])


async def test_data_keys_seal_one_pass_and_open_nothing_else(asker: AskingProcess) -> None:
    place = KeyPlace(1_000_000, "registry", "population", 4)
    made, commitments = await asker.releaser.data_keys([place])
    handed = HandedKeys(made, commitments)
    sealing = SealingPass(place.pass_id, place.tenant, handed)
    sealed = sealing.seal_fields(place.domain, bytes(16), [("income", 4, b"1.00")])
    stored = {(key.pass_id, key.domain, key.tier): key for key in sealing.data_keys()}
    knowledge = (await asker.keys.current()).knowledge
    opener = FieldOpener(knowledge.tier_keys, lambda *at: stored.get(at), 5)
    opened = opener.open_record(place.tenant, place.domain, bytes(16), place.pass_id, sealed.blob)
    assert opened["income"].value == b"1.00"
    with pytest.raises(KeyUnavailable):
        SealingPass(place.pass_id, place.tenant, handed).seal_fields(place.domain, bytes(16), [("income", 4, b"1")])
    again, _ = await asker.releaser.data_keys([place])
    assert again[0].key != made[0].key


async def test_keys_are_given_up_when_their_time_is_over(asker: AskingProcess) -> None:
    platform = asker.bureaus.platform
    keyring, now = AwayKeyring(FileKeyring(platform.keyring_dir)), [0.0]
    identity = replace(platform.identity, keyring=keyring)
    keys = KeptKeys(platform.database, identity, EVERYTHING, HOUR, clock=lambda: now[0])
    first = await keys.current()
    keyring.away, now[0] = True, 2_000.0
    assert await keys.current() is first  # due, and still good
    now[0] = 3_700.0
    with pytest.raises(TierKeysLapsed):
        await keys.current()
    with pytest.raises(TierKeysLapsed):
        first.knowledge.tier_keys.get("registry", "population", 1)
    with pytest.raises(TierKeysLapsed):
        first.knowledge.access_keys.get("registry", ACCESS_DOMAIN, 3)
    keyring.away, now[0] = False, 3_800.0
    assert (await keys.current()).knowledge.tier_keys.get("registry", "population", 1)


async def test_a_process_that_asks_for_no_keys_makes_and_opens_none(asker: AskingProcess) -> None:
    platform = asker.bureaus.platform
    await platform.execute("DELETE FROM tier_keys WHERE tier = 5")
    keyring = RecordingKeyring(FileKeyring(platform.keyring_dir))
    knowledge = await load_knowledge(platform.database, replace(platform.identity, keyring=keyring), held=False)
    assert (keyring.unwrapped, keyring.wrapped, knowledge.tier_keys.held()) == ([], [], [])
    assert knowledge.access_keys.held() == []


async def test_who_only_asks_can_not_say_where_a_record_comes_from(asker: AskingProcess) -> None:
    platform = asker.bureaus.platform
    seed = platform.identity.authority_seed()
    asking = WorkerKey.certified_by(bytes(32), lambda key: certify_worker(key.public_key, seed, WorkerKind.ASKING))
    look, _, _ = await replace(asker, worker=asking).look()
    assert states((await asker.releaser.records(asking.worker_id, look, asker.names[:1]))[0])["income"] == "sealed"
    # It signs the commit of the record anew, as if it had taken it in.
    (row,) = await platform.rows(
        "SELECT c.*, l.origin FROM commits c JOIN logs l USING (log_id) JOIN results r USING (log_id, commit_id) "
        "WHERE r.record_id = $1",
        asker.names[0],
    )
    members = [row[name] for name in ("origin", "commit_id", "leaf_count", "leaves_root", "watermark")]
    await platform.execute(
        "UPDATE commits SET worker_id = $2, signature = $3 WHERE commit_id = $1",
        row["commit_id"],
        asking.worker_id,
        asking.sign(CommitStatement(*members)),
    )
    fresh = replace(asker, keys=KeptKeys(platform.database, platform.identity, EVERYTHING, HOUR), worker=asking)
    with pytest.raises(ReleaseRefused, match="not_served"):
        await fresh.releaser.records(asking.worker_id, look, asker.names[:1])
