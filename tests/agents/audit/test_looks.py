"""Looks by right as the auditor finds them: what does not fit is named, and every decision can be made again."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from agents.access.keeper import AccessKeeper
from agents.access.look_log import Because, LookLog, NewLook
from agents.access.look_replay import replay_from_log
from agents.access.registrar import person_change
from agents.access.response import Response
from agents.audit.access_history import AccessHistory
from agents.log.tree import SignedTree
from agents.platform.actor import pseudonym
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from security.access.decision_record import NotReproduced
from security.access.look_record import LookRecord, read_look, replay_look
from security.access.policy_set import PolicySet, default_policies
from security.commitment import CommitmentMismatch, Commitments
from security.file_keyring import FileKeyring
from streams.storage.sequencing import list_logs
from tests.support.approving import HEAD, OFFICIAL, PROVIDER, TAX_OFFICIAL
from tests.support.exchange import POLICIES, Exchange, acting, now

READER = acting(OFFICIAL)
SALT = bytes(16)


async def findings(bureaus: Exchange) -> list[str]:
    await bureaus.platform.sequence()
    return [each.what for each in (await bureaus.platform.audit()).findings]


async def seen(bureaus: Exchange) -> UUID:
    """A record that was shown by an approval."""
    (name,) = await bureaus.residents()
    await bureaus.granted()
    assert await bureaus.desk().show(READER, "casework", name)
    return name


class Forger:
    """A worker of ours that says what it likes: its leaves are signed, and their contents wrong."""

    def __init__(self, bureaus: Exchange, name: UUID) -> None:
        self.platform = bureaus.platform
        self.name = name
        self.log = next(o.log for o in bureaus.platform.knowledge.owners.values() if o.log.tenant == "registry")

    async def because(self) -> Because:
        access = await AccessKeeper(self.platform.database, self.platform.identity).current()
        response = Response(access, READER, "casework", now())
        return response.because(f"show {self.name}", {self.log.log_id: []})

    async def write(self, because: Because, *, actor: str = "official", shown: tuple[UUID, ...] = ()) -> None:
        platform = self.platform
        looks = LookLog(platform.database, platform.identity, platform.knowledge, platform.identity.new_worker())
        await looks.write(NewLook("read", actor, "policy", {self.log.log_id: shown}, because))


def changed(because: Because, log_id: int, **members: object) -> Because:
    record = msgspec.structs.replace(read_look(because.decisions[log_id]), **members)
    return replace(because, decisions={log_id: record.encode()})


@pytest.mark.parametrize(
    ("what", "finding"),
    [
        pytest.param("version", "policies that were not in force then", id="a-version-that-never-held"),
        pytest.param("grant", "a request for access that there is not", id="a-request-that-nobody-made"),
        pytest.param("somebody", "its decisions are somebody else's", id="somebody-else-s"),
        pytest.param("records", "over other records than it showed", id="a-record-nobody-decided-over"),
        pytest.param("purpose", "for another purpose", id="another-purpose"),
    ],
)
async def test_a_leaf_that_says_more_than_anybody_decided_is_found(bureaus: Exchange, what: str, finding: str) -> None:
    forger = Forger(bureaus, await seen(bureaus))
    because, log_id = await forger.because(), forger.log.log_id
    match what:
        case "version":
            await forger.write(replace(because, policy="2@" + "0" * 64))
        case "grant":
            await forger.write(replace(because, grants={log_id: ["0" * 64]}))
        case "somebody":
            await forger.write(because, actor="head")
        case "records":
            await forger.write(because, shown=(forger.name,))
        case "purpose":
            await forger.write(replace(because, purpose="audit"))
    assert any(finding in each for each in await findings(bureaus))


async def test_a_look_that_says_to_have_read_more_than_was_counted_is_found(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    digest = (await bureaus.granted()).request.digest()
    forger = Forger(bureaus, name)
    more = changed(await forger.because(), forger.log.log_id, grants=((digest, 50),))
    await forger.write(replace(more, grants={forger.log.log_id: [digest]}))
    assert any("50 records were read by it" in each for each in await findings(bureaus))


HOUR = dt.timedelta(hours=1)
MORNING = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def test_history_knows_which_policies_and_keys_held_when(keyring_dir: Path) -> None:
    history = AccessHistory()
    history.adopted(MORNING, AccessChange(change="adopt", version=1, digest="a"))
    history.adopted(MORNING + 2 * HOUR, AccessChange(change="adopt", version=2, digest="b"))
    held = [history.held(1, "a", MORNING + n * HOUR) for n in (-1, 1, 3)]
    assert held == [False, True, False]
    assert [history.held(0, "shipped", MORNING + n * HOUR) for n in (-1, 1)] == [True, False]
    assert not history.held(2, "another", MORNING + 3 * HOUR)
    keyring = FileKeyring(keyring_dir)
    for n, each in ((2, replace(OFFICIAL, active=False)), (0, OFFICIAL), (1, replace(OFFICIAL, jwk=HEAD.jwk))):
        history.person("gov", MORNING + n * HOUR, person_change(keyring, each))
    history.close()
    assert [history.jwk(OFFICIAL.key, MORNING + n * HOUR) is not None for n in (-1, 0, 1, 2)] == [
        False,
        True,
        False,
        False,
    ]
    known = [(OFFICIAL, pseudonym(keyring, "gov", "official"))]
    assert [history.people(known, MORNING + n * HOUR).get("official") for n in (-1, 0)] == [None, OFFICIAL]
    assert not history.people(known, MORNING + 2 * HOUR)["official"].active


@pytest.mark.parametrize(
    "minutes", [pytest.param(-60, id="before-it-was-granted"), pytest.param(60, id="after-it-was-revoked")]
)
async def test_a_request_covers_no_look_before_or_after_it_held(
    bureaus: Exchange, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = await bureaus.residents()
    request = await bureaus.granted()
    await bureaus.act(request, HEAD, "revoke")
    digest = request.request.digest()
    forger = Forger(bureaus, name)
    because = changed(await forger.because(), forger.log.log_id, grants=((digest, 0),))
    then = (now() + dt.timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    monkeypatch.setattr("agents.access.look_log.rfc3339", lambda _: then)
    await forger.write(replace(because, grants={forger.log.log_id: [digest]}))
    assert any("was not granted when it was read by" in each for each in await findings(bureaus))


async def test_a_look_by_a_request_that_was_revoked_in_the_same_minute_was_right(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    request = await bureaus.granted()
    assert await bureaus.desk().show(acting(OFFICIAL), "casework", name)
    await bureaus.act(request, HEAD, "revoke")
    assert await findings(bureaus) == []


async def test_decisions_that_were_changed_beside_their_leaf_are_found(bureaus: Exchange) -> None:
    await seen(bureaus)
    await bureaus.platform.execute("UPDATE disclosures SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)")
    assert await findings(bureaus)


async def test_a_quota_that_sql_gave_back_is_found(bureaus: Exchange) -> None:
    await seen(bureaus)
    await bureaus.platform.execute("UPDATE access_requests SET used = 0")
    assert any("1 records were read by it, its row says 0" in each for each in await findings(bureaus))


async def test_past_looks_stay_right_when_approvers_leave_change_their_key_or_policies_change(
    bureaus: Exchange,
) -> None:
    await seen(bureaus)
    registrar = await bureaus.register(replace(HEAD, duties=frozenset(), jwk=None))
    await registrar.dismiss(PROVIDER.person)
    await bureaus.adopt(default_policies())
    assert await findings(bureaus) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE people SET mac = 'x' WHERE person = 'official'", "platform's MAC"),
        ("UPDATE access_policies SET mac = 'x'", "platform's MAC"),
        ("UPDATE api_keys SET mac = 'x'", "platform's MAC"),
        ("UPDATE api_keys SET tier = 5", "its row is not what"),
        ("UPDATE api_keys SET tier = 9", "no key's record"),
        ("UPDATE api_keys SET revoked_at = now()", "whether it was revoked"),
        ("DELETE FROM api_keys", "its row in api_keys is gone"),
        ("UPDATE api_keys SET key_id = '0011223344556677'", "no leaf says that it was made"),
    ],
)
async def test_rows_of_people_policies_and_api_keys_are_compared(
    bureaus: Exchange, statement: str, finding: str
) -> None:
    registrar = await bureaus.register()
    await registrar.add_key("official", tier=1, actions=["read"], projects=None, lifetime=dt.timedelta(days=1))  # type: ignore[list-item]
    assert await findings(bureaus) == []
    await bureaus.platform.execute(statement)
    assert any(finding in each for each in await findings(bureaus))


async def index_of_look(bureaus: Exchange, kind: str, tenant: str) -> tuple[int, int]:
    await bureaus.platform.sequence()
    async with bureaus.platform.database.session() as connection:
        (row,) = [each for each in await list_logs(connection) if each.tenant == tenant]
        tree = await SignedTree.newest(connection, row)
        for index in range(tree.checkpoint.size):
            if msgspec.json.decode(await tree.entry(index))["kind"] == kind:
                return row.log_id, index
    raise AssertionError("there is no such look")


@pytest.mark.parametrize(("kind", "tenant"), [("read", "registry"), ("deny", "platform")])
async def test_the_decisions_of_a_look_are_made_again_from_the_log(bureaus: Exchange, kind: str, tenant: str) -> None:
    name = await seen(bureaus)
    assert await bureaus.desk().show(acting(TAX_OFFICIAL), "casework", name) == []
    log_id, index = await index_of_look(bureaus, kind, tenant)
    async with bureaus.platform.database.session() as connection:
        (row,) = [each for each in await list_logs(connection) if each.log_id == log_id]
        tree = await SignedTree.newest(connection, row)
        keys = bureaus.platform.knowledge.access_keys
        found = await replay_from_log(tree, index, keys)
        assert (found.record.asked, [each for each, _ in found.record.records]) == (f"show {name}", [str(name)])
        who = pseudonym(bureaus.platform.identity.keyring, tenant, found.record.person)
        assert found.leaf.actor == who
        offline = replay_look(found.body, found.salt, found.commitment, PolicySet.parse(found.policies))
        assert offline == found.record
        with pytest.raises(ConfigurationError, match="none of a look"):
            await replay_from_log(tree, 0, keys)
        await connection.execute("UPDATE access_policies SET text = text || ' '")
        with pytest.raises(NotReproduced):
            await replay_from_log(tree, index, keys)


def test_a_record_of_a_look_that_was_changed_is_no_record() -> None:
    record = LookRecord(person="p", purpose="casework", asked="list", version=0, decisions=(), records=())
    policies = PolicySet.parse(default_policies() + POLICIES)
    commitment = Commitments.SHA256.commit(SALT, record.encode())
    assert replay_look(record.encode(), SALT, commitment, policies) == record
    with pytest.raises(CommitmentMismatch):
        replay_look(record.encode() + b" ", SALT, commitment, policies)
    for wrong in (b"{}", b"[]", record.encode() + b" ", record.encode().replace(b'"list"', b"7")):
        with pytest.raises(NotReproduced):
            replay_look(wrong, SALT, Commitments.SHA256.commit(SALT, wrong), policies)
    nowhere = msgspec.structs.replace(record, records=((str(uuid4()), (3,)),)).encode()
    with pytest.raises(NotReproduced, match="not there"):
        replay_look(nowhere, SALT, Commitments.SHA256.commit(SALT, nowhere), policies)
