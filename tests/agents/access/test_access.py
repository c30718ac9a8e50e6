"""People, policies and approvals over a real database: what holds, how fast it stops, and rows that SQL made."""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from agents.access.approvals import Approvals
from agents.access.authentication import Authenticator
from agents.access.keeper import AccessKeeper, AccessUnavailable
from agents.access.policy_keeper import PolicyKeeper, policy_act
from agents.access.registrar import AccessRegistrar
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from security.access.access_request import AccessRequest
from security.access.approval import ApprovalRefused, RequestState, SignedAct
from security.access.assertion import BadAssertion, signed
from security.access.embedded_issuer import EmbeddedIssuer
from security.access.issuer import read_issuer_keys
from security.access.person import Duty, Person
from security.access.policy_set import InvalidPolicies
from security.access.principal import Action, Method, NotAuthenticated, Role, RolesNotSeparate
from security.access.tokens import TokenVerifier
from streams.issuer_keys import IssuerKeys
from streams.jwks_endpoint import JwksAnswer
from streams.storage.database import Database
from tests.support.approving import EVERYBODY, HEAD, OFFICIAL, PROVIDER, Desk, asked, key_of, members, person, rfc3339
from tests.support.installation import LOG_ORIGIN, Installation

REGISTRY_LOG = f"{LOG_ORIGIN}/registry"
PLATFORM_LOG = f"{LOG_ORIGIN}/{PLATFORM_TENANT}"
FIRST_ADMIN = person("first-admin", "exchange", "board", roles=frozenset({Role.ADMINISTRATOR}))
SECOND_ADMIN = person("second-admin", "exchange", "office", roles=frozenset({Role.ADMINISTRATOR}))
NEARBY_ADMIN = person("nearby-admin", "exchange", "board", roles=frozenset({Role.ADMINISTRATOR}))
NOBODYS = '@id("nothing") forbid (principal, action, resource);'
ZERO = dt.timedelta(0)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def register(platform: Installation, *people: Person) -> AccessRegistrar:
    registrar = AccessRegistrar(platform.database, platform.identity, actor="admin@example.org")
    for each in people:
        await registrar.grant(each)
    return registrar


def keeper(platform: Installation) -> AccessKeeper:
    return AccessKeeper(platform.database, platform.identity)


async def requested(platform: Installation, **more: Any) -> Desk:
    """A request of level 2 that waits for its first step."""
    await register(platform, *EVERYBODY)
    desk = Desk(asked(made=now(), id=str(uuid4()), **more), REGISTRY_LOG)
    await Approvals(platform.database, platform.identity).ask(desk.request, desk.made())
    return desk


async def granted(platform: Installation) -> Desk:
    desk, approvals = await requested(platform), Approvals(platform.database, platform.identity)
    await approvals.act(UUID(desk.request.id), desk.act(HEAD, "approve", 1, after=ZERO))
    after = now() - dt.datetime.fromisoformat(desk.request.made)
    await approvals.act(UUID(desk.request.id), desk.act(PROVIDER, "approve", 2, after=after))
    return desk


async def test_an_approval_holds_until_it_is_revoked_in_every_process(
    platform: Installation,
) -> None:
    async with Database(platform.dsn, name="another process", connections=1) as other:
        watching = AccessKeeper(other, platform.identity)
        assert (await watching.current()).grants(now()) == []
        desk = await granted(platform)
        (grant,) = (await watching.current()).grants(now())
        assert (grant.request, grant.left) == (desk.request, 10)
        assert (await watching.current()).grants(now() + dt.timedelta(days=31)) == []
        after = now() - dt.datetime.fromisoformat(desk.request.made)
        revocation = desk.act(HEAD, "revoke", after=after)
        await Approvals(platform.database, platform.identity).act(UUID(desk.request.id), revocation)
        assert (await watching.current()).grants(now()) == []


async def test_what_did_not_change_is_not_read_again(platform: Installation) -> None:
    kept = keeper(platform)
    first = await kept.current()
    assert await kept.current() is first
    await register(platform, OFFICIAL)
    assert (await kept.current()).people.keys() == {"official"}


async def test_every_act_is_a_leaf_with_its_signature_and_the_audit_agrees(platform: Installation) -> None:
    desk = await granted(platform)
    await platform.sequence()
    leaves = [leaf for leaf in await platform.leaves("registry") if leaf["kind"] in ("request", "approve")]
    assert [(leaf["kind"], leaf["access"].get("step"), leaf["basis"]) for leaf in leaves] == [
        ("request", None, "signed"),
        ("approve", 1, "signed"),
        ("approve", 2, "signed"),
    ]
    assert all(leaf["access"]["digest"] == desk.request.digest() for leaf in leaves)
    assert not any(word in str(leaves) for word in ("case 17", "official", "id_number", "Insurance Law"))
    report = await platform.audit()
    assert report.findings == []


async def test_a_refused_act_leaves_nothing_behind(platform: Installation) -> None:
    desk, approvals = await requested(platform), Approvals(platform.database, platform.identity)
    name = UUID(desk.request.id)
    before = await platform.one("SELECT count(*) FROM commits")
    late = desk.act(HEAD, "approve", 1, after=dt.timedelta(minutes=-10))
    for wrong in (desk.act(PROVIDER, "approve", 2, after=ZERO), desk.act(OFFICIAL, "approve", 1, after=ZERO), late):
        with pytest.raises(ApprovalRefused):
            await approvals.act(name, wrong)
    with pytest.raises(BadAssertion):
        await approvals.act(name, desk.act(HEAD, "approve", 1, after=ZERO, signer=key_of("mallory")))
    with pytest.raises(ConfigurationError, match="of that id"):
        await approvals.ask(desk.request, desk.made())
    assert await platform.one("SELECT count(*) FROM commits") == before
    assert (await approvals.find(name)).standing.state(now()) is RequestState.PENDING


FORGERIES: Mapping[str, str] = {
    "a step that somebody wrote down": """INSERT INTO access_acts (request_id, n, person, act)
        SELECT request_id, 2, 'provider', act FROM access_acts WHERE n = 1""",
    "another level": "UPDATE access_requests SET body = replace(convert_from(body, 'UTF8'), "
    "'\"level\":2', '\"level\":1')::bytea",
    "more fields": "UPDATE access_requests SET body = replace(convert_from(body, 'UTF8'), "
    "'\"id_number\"', '\"diagnosis\"')::bytea",
    "somebody else's": "UPDATE access_acts SET person = 'authority' WHERE n = 1",
    "another log": "UPDATE access_requests SET tenant = 'gov'",
    "no request at all": "UPDATE access_requests SET body = '{}'",
}


@pytest.mark.parametrize("statement", [pytest.param(text, id=name) for name, text in FORGERIES.items()])
async def test_a_request_that_sql_changed_opens_nothing_and_the_audit_tells(
    platform: Installation, statement: str
) -> None:
    desk = await requested(platform)
    await Approvals(platform.database, platform.identity).act(
        UUID(desk.request.id), desk.act(HEAD, "approve", 1, after=ZERO)
    )
    await platform.execute(statement)
    assert (await keeper(platform).current()).grants(now()) == []
    if "access_acts (" in statement:
        await platform.sequence()
        assert any("no leaf says that it was done" in each.what for each in (await platform.audit()).findings)


@pytest.mark.parametrize(
    "change",
    [
        "tier = 5",
        "roles = ARRAY['reader', 'administrator']",
        "roles = ARRAY['operator', 'auditor']",
        "duties = ARRAY['exchange_authority']",
        "department = 'tax'",
        "person = 'somebody'",
        "tier = 9",
        "mac = ''",
    ],
)
async def test_a_person_whom_sql_changed_is_nobody_and_the_audit_tells(platform: Installation, change: str) -> None:
    await register(platform, OFFICIAL)
    await platform.execute(f"UPDATE people SET {change} WHERE person = 'official'")
    assert (await keeper(platform).current()).people == {}
    if not change.startswith("mac"):
        await platform.sequence()
        assert any(each.where.startswith("person") for each in (await platform.audit()).findings)


async def test_nobody_is_granted_two_separate_roles(platform: Installation) -> None:
    await register(platform, FIRST_ADMIN)
    with pytest.raises(RolesNotSeparate):
        await register(platform, replace(FIRST_ADMIN, roles=frozenset({Role.ADMINISTRATOR, Role.AUDITOR})))
    assert (await keeper(platform).current()).people["first-admin"].roles == {Role.ADMINISTRATOR}


async def test_two_people_do_not_share_a_key_or_a_subject_and_nobody_changes_tenant(platform: Installation) -> None:
    registrar = await register(platform, replace(OFFICIAL, issuer="https://id", subject="s"))
    with pytest.raises(ConfigurationError, match="another person's"):
        await registrar.grant(replace(HEAD, jwk=OFFICIAL.jwk))
    with pytest.raises(ConfigurationError, match="another person's"):
        await registrar.grant(replace(HEAD, issuer="https://id", subject="s"))
    with pytest.raises(ConfigurationError, match="tenant"):
        await registrar.grant(replace(OFFICIAL, tenant="registry"))


def policy_signed(by: Person, change: str, version: int, text: str) -> SignedAct:
    act = policy_act(change, version, text, rfc3339(now()))
    return SignedAct(by.person, signed(PLATFORM_LOG, act, key_of(by.person)))


async def proposed(platform: Installation, text: str = NOBODYS) -> PolicyKeeper:
    await register(platform, FIRST_ADMIN, SECOND_ADMIN, NEARBY_ADMIN, OFFICIAL)
    policies = PolicyKeeper(platform.database, platform.identity)
    await policies.propose(text, policy_signed(FIRST_ADMIN, "propose", await policies.next_version(), text))
    return policies


async def test_a_first_key_is_registered_and_no_other(platform: Installation) -> None:
    registrar = await register(platform, replace(OFFICIAL, jwk=None), HEAD)
    assert OFFICIAL.jwk is not None
    assert HEAD.jwk is not None
    with pytest.raises(ConfigurationError):
        await registrar.register_first_key("official", HEAD.jwk)
    assert (await registrar.register_first_key("official", OFFICIAL.jwk)).key == OFFICIAL.key
    for name in ("official", "head", "nobody"):
        with pytest.raises(ConfigurationError):
            await registrar.register_first_key(name, members(key_of("another").jwk))
    assert (await registrar.list())["official"].key == OFFICIAL.key
    await platform.sequence()
    assert (await platform.audit()).findings == []


async def test_policies_hold_once_a_second_unit_adopted_them(platform: Installation) -> None:
    policies = await proposed(platform)
    assert (await keeper(platform).current()).version == 0
    await policies.adopt(policy_signed(SECOND_ADMIN, "adopt", 1, NOBODYS))
    access = await keeper(platform).current()
    assert (access.version, access.decider.policies.text) == (1, NOBODYS)
    await platform.sequence()
    assert (await platform.audit()).findings == []


@pytest.mark.parametrize(
    ("by", "error"),
    [
        pytest.param(FIRST_ADMIN, ApprovalRefused, id="by-its-proposer"),
        pytest.param(NEARBY_ADMIN, ApprovalRefused, id="by-the-same-unit"),
        pytest.param(OFFICIAL, ApprovalRefused, id="by-no-administrator"),
        pytest.param(person("stranger", "exchange", "x"), ApprovalRefused, id="by-a-stranger"),
    ],
)
async def test_policies_are_not_adopted_by_just_anybody(
    platform: Installation, by: Person, error: type[Exception]
) -> None:
    policies = await proposed(platform)
    with pytest.raises(error):
        await policies.adopt(policy_signed(by, "adopt", 1, NOBODYS))
    assert (await keeper(platform).current()).version == 0


async def test_what_is_adopted_is_what_was_signed_on_what_is_in_force(platform: Installation) -> None:
    policies, other = await proposed(platform), NOBODYS.replace("nothing", "other")
    with pytest.raises(ApprovalRefused, match="other policies"):
        await policies.adopt(policy_signed(SECOND_ADMIN, "adopt", 1, other))
    await policies.propose(other, policy_signed(FIRST_ADMIN, "propose", 2, other))
    await policies.adopt(policy_signed(SECOND_ADMIN, "adopt", 2, other))
    with pytest.raises(ConfigurationError, match="propose it anew"):
        await policies.adopt(policy_signed(SECOND_ADMIN, "adopt", 1, NOBODYS))


async def test_policies_that_are_none_are_not_stored(platform: Installation) -> None:
    policies = await proposed(platform)
    act = policy_signed(FIRST_ADMIN, "propose", 2, NOBODYS)
    with pytest.raises(InvalidPolicies):
        await policies.propose("permit (principal, action, resource);", act)
    assert await platform.one("SELECT count(*) FROM access_policies") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_policies SET adopter = 'second-admin'",
        "UPDATE access_policies SET adopter = 'second-admin', mac = decode('00', 'hex')",
        "UPDATE access_policies SET adopter = 'second-admin', text = 'permit'",
    ],
)
async def test_policies_that_sql_put_in_force_deny_everything(platform: Installation, statement: str) -> None:
    await proposed(platform)
    await platform.execute(statement)
    with pytest.raises(AccessUnavailable):
        await keeper(platform).current()
    await platform.sequence()
    assert any("no leaf has the signature to adopt" in each.what for each in (await platform.audit()).findings)


async def test_a_database_that_is_away_denies(platform: Installation) -> None:
    async with Database(platform.dsn, name="test", connections=1) as database:
        kept = AccessKeeper(database, platform.identity)
        await kept.current()
    with pytest.raises(AccessUnavailable):
        await kept.current()


ISSUER = EmbeddedIssuer("http://127.0.0.1:8080", "sealstream", os.urandom(32))
KNOWN = replace(OFFICIAL, issuer=ISSUER.issuer.url, subject="s-1")


async def fetched(*_: object) -> JwksAnswer:
    return JwksAnswer(ISSUER.jwks(), None, None)


def authenticator(platform: Installation) -> Authenticator:
    issuers = IssuerKeys([ISSUER.issuer], fetched)
    verifier = TokenVerifier([ISSUER.issuer], issuers.keys)
    return Authenticator(platform.database, platform.identity, keeper(platform), verifier, issuers)


async def test_a_token_is_its_persons_as_they_are_registered_now(platform: Installation) -> None:
    registrar, authenticates = await register(platform, KNOWN), authenticator(platform)
    token = ISSUER.token("s-1", now())
    principal = await authenticates.by_token(token, now())
    assert (principal.person, principal.unit, principal.tier, principal.method) == (
        "official",
        ("gov", "social-security"),
        2,
        Method.TOKEN,
    )
    assert read_issuer_keys(ISSUER.issuer, ISSUER.jwks())
    with pytest.raises(NotAuthenticated, match="nobody"):
        await authenticates.by_token(ISSUER.token("s-2", now()), now())
    await registrar.dismiss("official")
    with pytest.raises(NotAuthenticated, match="nobody"):
        await authenticates.by_token(token, now())


async def test_an_api_key_acts_for_its_person_until_it_is_revoked(platform: Installation) -> None:
    registrar, authenticates = await register(platform, KNOWN), authenticator(platform)
    text, key = await registrar.add_key(
        "official", tier=1, actions=[Action.READ], projects=["prj-1"], lifetime=dt.timedelta(days=1)
    )
    principal = await authenticates.by_api_key(text, now())
    assert (principal.person, principal.tier, principal.actions) == ("official", 1, {Action.READ})
    await platform.sequence()
    assert (await platform.audit()).findings == []
    stored = msgspec.json.encode([dict(row) for row in await platform.rows("SELECT * FROM api_keys")])
    assert text.rpartition("_")[2].encode() not in stored
    assert text.rpartition("_")[2] not in str(await platform.leaves("gov"))
    await registrar.revoke_key(key.key_id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        await authenticates.by_api_key(text, now())
    with pytest.raises(ConfigurationError, match="already"):
        await registrar.revoke_key(key.key_id)


@pytest.mark.parametrize("change", ["tier = 5", "person = 'head'", "projects = NULL", "not_after = not_after + '1 d'"])
async def test_an_api_key_that_sql_changed_is_none(platform: Installation, change: str) -> None:
    registrar = await register(platform, KNOWN, HEAD)
    text, _ = await registrar.add_key(
        "official", tier=1, actions=[Action.READ], projects=["prj-1"], lifetime=dt.timedelta(days=1)
    )
    await platform.execute(f"UPDATE api_keys SET {change}")
    with pytest.raises(NotAuthenticated):
        await authenticator(platform).by_api_key(text, now())


async def test_a_request_of_another_tenants_log_is_void(platform: Installation) -> None:
    await register(platform, *EVERYBODY)
    request: AccessRequest = asked(made=now(), id=str(uuid4()))
    elsewhere = Desk(request, f"{LOG_ORIGIN}/gov")
    with pytest.raises(BadAssertion):
        await Approvals(platform.database, platform.identity).ask(request, elsewhere.made())
    assert Duty.UNIT_HEAD in HEAD.duties
