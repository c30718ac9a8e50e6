"""Keys and models are changed by a person's own signature over what the leaves will say; an audit sees whose it was."""

import base64
import datetime as dt
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.access.warranting import SignedChange, Unsigned
from agents.inference.model_store import ModelStore
from agents.keys.certificates import CertificateOffer
from agents.keys.registrar import NewKey, Registrar
from agents.models.curator import Curator, Trust
from agents.platform.warrant import Warrant, change_digest
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from schemas.tenant import PLATFORM_TENANT
from security.access.approval import ApprovalRefused, SignedAct
from security.access.assertion import BadAssertion, signed
from security.access.person import Person
from security.access.principal import Role
from security.key_import import certificate_key
from tests.support.approving import key_of, person, rfc3339
from tests.support.changing import Forged, Work, acts_by, tried, warranted
from tests.support.exchange import REGISTRY, Exchange, now
from tests.support.installation import BANK_A, LOG_ORIGIN
from tests.support.models import other_version
from tests.support.pki import DAY, NOW, name, root
from tests.support.pki import revoked as revoked_entry

KEY = REGISTRY.key_id
OPERATOR = person("key-operator", "registry", "it", roles=frozenset({Role.OPERATOR}))
STRANGER = person("other-operator", "gov", "it", roles=frozenset({Role.OPERATOR}))
OURS = person("platform-operator", PLATFORM_TENANT, "it", roles=frozenset({Role.OPERATOR}))
READER = person("key-reader", "registry", "it")


@pytest.fixture
async def site(bureaus: Exchange) -> Exchange:
    """A site whose keys and models people may change."""
    await bureaus.register(OPERATOR, STRANGER, OURS, READER)
    return bureaus


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


def registrar(site: Exchange, warrant: Warrant | None, actor: str = OPERATOR.person) -> Registrar:
    return Registrar(site.platform.database, site.platform.identity, actor=actor, warrant=warrant)


def by(site: Exchange, act: SignedAct, log: str = "registry") -> SignedChange:
    return warranted({log: act}, site.platform.identity)


async def signed_by(who: Person, work: Work, at: str | None = None, *, log: str | None = None) -> SignedAct:
    """What somebody signs, having seen what a change comes to."""
    (act,) = (await acts_by(who, work, at, log=log)).values()
    return act


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def revoking(site: Exchange) -> Work:
    return lambda warrant: registrar(site, warrant).revoke(KEY)


async def revoked(site: Exchange) -> bool:
    return (await registrar(site, None).key(KEY)).revoked_at is not None


async def findings(site: Exchange) -> list[str]:
    await site.platform.sequence()
    return [str(each) for each in (await site.platform.audit()).findings]


async def leaves(site: Exchange, kind: str, tenant: str = "registry") -> list[dict[str, Any]]:
    found = await site.platform.leaves(tenant, of_keys=kind == "key")
    return [leaf for leaf in found if leaf["kind"] == kind]


@pytest.mark.parametrize("who", [OPERATOR, OURS], ids=lambda who: who.person)
async def test_a_key_is_revoked_by_a_signature_that_its_leaf_holds(site: Exchange, who: Person) -> None:
    act = await signed_by(who, revoking(site))
    await revoking(site)(by(site, act))
    leaf = (await leaves(site, "key"))[-1]
    assert (leaf["basis"], leaf["key"]["change"]) == ("signed", "revoke")
    assert leaf["access"] == {
        "change": "change_keys",
        "assertion": act.change.assertion,
        "at": act.change.at,
        "digest": act.change.digest,
        "key": who.key,
    }
    assert leaf["key"]["revoked"] == act.change.at
    assert await findings(site) == []


async def test_what_is_signed_is_what_the_leaves_say(site: Exchange) -> None:
    at = rfc3339(now())
    trial = await tried(
        lambda warrant: registrar(site, warrant).rotate(KEY, "next", key_of("n").jwk, dt.timedelta(1)), at
    )
    (asked,) = trial.change
    first, second = asked.text.splitlines()
    assert '"change":"register"' in first
    assert f'"follows":"{KEY}"' in first
    assert f'"not_before":"{at}"' in first
    assert '"change":"limit"' in second
    expected = AccessChange(change="change_keys", digest=change_digest(asked.text), at=at)
    assert asked.unsigned(trial.at) == expected


async def test_a_trial_changes_nothing(site: Exchange) -> None:
    before = await leaves(site, "key")
    trial = await tried(revoking(site), rfc3339(now()))
    assert [(each.kind, each.tenant) for each in trial.change] == [("key", "registry")]
    assert not await revoked(site)
    assert await leaves(site, "key") == before


async def test_nothing_is_done_where_something_came_in_between(site: Exchange) -> None:
    limit: Work = lambda warrant: registrar(site, warrant).rotate(KEY, "next", key_of("n").jwk, dt.timedelta(1))  # noqa: E731
    act = await signed_by(OPERATOR, limit)
    await registrar(site, None).revoke(KEY, now() + dt.timedelta(hours=1))
    with pytest.raises(ApprovalRefused, match="came in between"):
        await limit(by(site, act))
    assert [leaf["key"]["change"] for leaf in await leaves(site, "key")][1:] == ["revoke"]


@pytest.mark.parametrize(
    ("who", "reason"),
    [(READER, "not_entitled"), (STRANGER, "not_entitled")],
    ids=lambda each: getattr(each, "person", each),
)
async def test_others_change_no_key(site: Exchange, who: Person, reason: str) -> None:
    with pytest.raises(ApprovalRefused) as caught:
        await revoking(site)(by(site, await signed_by(who, revoking(site))))
    assert caught.value.reason == reason
    assert not await revoked(site)


async def test_nobody_signs_for_somebody_else(site: Exchange) -> None:
    act = await signed_by(READER, revoking(site))
    with pytest.raises(BadAssertion):
        await revoking(site)(by(site, replace(act, person=OPERATOR.person)))
    with pytest.raises(ApprovalRefused, match="nobody is registered"):
        await revoking(site)(by(site, replace(act, person="nobody")))
    assert not await revoked(site)


async def test_a_signature_for_another_change_log_or_time_does_not_count(site: Exchange) -> None:
    other: Work = lambda warrant: registrar(site, warrant).require(REGISTRY.source, tenant="registry", signatures=1)  # noqa: E731
    for act, error in (
        (await signed_by(OPERATOR, other), ApprovalRefused),
        (await signed_by(OPERATOR, revoking(site), log="gov"), BadAssertion),
        (await signed_by(OPERATOR, revoking(site), rfc3339(now() - dt.timedelta(minutes=6))), ApprovalRefused),
    ):
        with pytest.raises(error):
            await revoking(site)(by(site, act))
    assert not await revoked(site)


async def test_a_model_is_activated_by_a_signature_that_every_log_holds(
    site: Exchange, store: ModelStore, tmp_path: Path
) -> None:
    def curator(warrant: Warrant | None) -> Curator:
        return Curator(site.platform.database, site.platform.identity, store, actor=STRANGER.person, warrant=warrant)

    row = await curator(None).add(other_version(tmp_path / "second"))
    trust = Trust(unevaluated="a test")
    activate: Work = lambda warrant: curator(warrant).activate(row.name, row.version, trust=trust)  # noqa: E731
    act = await signed_by(STRANGER, activate)
    await activate(by(site, act, PLATFORM_TENANT))
    for tenant in ("registry", PLATFORM_TENANT):
        said = (await leaves(site, "model", tenant))[-2:]
        assert {leaf["access"]["assertion"] for leaf in said} == {act.change.assertion}
        assert {leaf["basis"] for leaf in said} == {"signed"}
    with pytest.raises(ConfigurationError):
        await activate(by(site, act, PLATFORM_TENANT))
    assert await findings(site) == []


async def test_an_audit_names_changes_that_were_not_signed_as_they_are(site: Exchange) -> None:
    act = await signed_by(OPERATOR, revoking(site))
    await registrar(site, Forged(act.change)).require(REGISTRY.source, tenant="registry", signatures=2)
    assert any("another change was signed" in each for each in await findings(site))


async def test_an_audit_names_a_signature_that_is_used_again_in_another_writing(site: Exchange) -> None:
    confirm: Work = lambda warrant: registrar(site, warrant).confirm([KEY])  # noqa: E731
    act = await signed_by(OPERATOR, confirm)
    await confirm(by(site, act))
    signature = act.change.assertion or ""
    # Of 64 bytes the last digit before the padding has four bits that say nothing.
    digits = string.ascii_letters + string.digits
    written = [f"{signature[:-3]}{digit}==" for digit in digits if digit != signature[-3]]
    other = next(text for text in written if decoded(text) == decoded(signature))
    await confirm(Forged(msgspec.structs.replace(act.change, assertion=other)))
    assert any("stands under an earlier change already" in each for each in await findings(site))


async def test_an_audit_names_a_change_that_calls_itself_signed_and_is_not(
    site: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.platform.signatory.ALONE", "signed")
    await revoking(site)(Forged(None))
    assert any("don't agree" in each for each in await findings(site))


@pytest.mark.parametrize("at", ["", "yesterday", "2026-03-02T09:00:00"])
async def test_an_audit_bears_a_signed_act_of_no_moment(site: Exchange, at: str) -> None:
    act = await signed_by(OPERATOR, revoking(site))
    change = msgspec.structs.replace(act.change, at=at, assertion=None)
    await revoking(site)(Forged(signed(f"{LOG_ORIGIN}/registry", change, key_of(OPERATOR.person))))
    assert await findings(site)


@pytest.mark.parametrize("who", [READER, STRANGER], ids=lambda who: who.person)
async def test_an_audit_names_changes_that_somebody_signed_who_might_not(site: Exchange, who: Person) -> None:
    act = await signed_by(who, revoking(site))
    forged = Forged(act.change)
    forged.moment = dt.datetime.fromisoformat(act.change.at or "")
    await revoking(site)(forged)
    assert any("neither operator nor administrator" in each for each in await findings(site))


async def test_an_audit_names_a_signature_that_is_used_again(site: Exchange) -> None:
    act = await signed_by(OPERATOR, revoking(site))
    await revoking(site)(by(site, act))
    await registrar(site, Forged(act.change)).confirm([KEY])
    assert any("stands under an earlier change already" in each for each in await findings(site))


async def test_in_production_nobody_changes_keys_unsigned_where_somebody_could_sign(
    site: Exchange, bureaus: Exchange
) -> None:
    unsigned = Unsigned(site.platform.identity.voucher())
    with pytest.raises(ConfigurationError, match="--as"):
        await revoking(site)(unsigned)
    assert not await revoked(site)


async def test_a_revocation_list_is_taken_at_its_word_and_registering_beside_it_is_signed(site: Exchange) -> None:
    anchor = root()
    leaf = anchor.issue(name("registry's"))
    offer = CertificateOffer(certificates=leaf.chain, anchors=[anchor.certificate], crls=[anchor.crl()])
    new = NewKey(
        name="certified", jwk=certificate_key(leaf.certificate), tenant="registry", domain="population",
        sources=["urn:certified"], offer=offer,
    )  # fmt: skip
    register: Work = lambda warrant: registrar(site, warrant).register(new)  # noqa: E731
    await register(by(site, await signed_by(OPERATOR, register)))
    listed = anchor.crl([revoked_entry(leaf.serial, NOW - DAY / 24)], number=2, this_update=NOW - DAY / 48)
    await registrar(site, Unsigned(site.platform.identity.voucher())).take_list(listed)
    said = [(leaf["key"]["change"], leaf["basis"], "crl" in leaf["key"]) for leaf in (await leaves(site, "key"))[-2:]]
    assert said == [("register", "signed", False), ("revoke", "alone", True)]
    assert await findings(site) == []


async def test_before_anybody_is_registered_keys_are_changed_unsigned(platform: Any) -> None:
    done = await Registrar(
        platform.database, platform.identity, actor="first", warrant=Unsigned(platform.identity.voucher())
    ).revoke(BANK_A.key_id)
    assert done.revoked_at is not None
