"""Keys that certificates vouch for: their validity, what is kept of them, and what a newer revocation list does."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agents.keys.certificates import CertificateOffer
from agents.keys.registrar import NewKey
from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from security.certificate_chain import ChainRefused
from security.jwk import encode_base64url
from security.key_import import certificate_key
from security.revocation_list import CrlRefused
from streams.storage.certificates import digest_of
from streams.storage.keys import SigningKeyRow, list_signing_keys
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.pki import DAY, NOW, Holder, name, new_key, revoked, root

ROOT = root()
STATE = ROOT.issue(name("State CA"), ca=True, not_after=NOW + 20 * DAY)
LEAF = STATE.issue(name("payments"), not_before=NOW - DAY / 2)
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
LISTS = (ROOT.crl(), STATE.crl())


def new(
    leaf: Holder = LEAF, key_id: str = "k", crls: Sequence[x509.CertificateRevocationList] = (), anchor: Holder = ROOT
) -> NewKey:
    return NewKey(
        name=key_id,
        jwk=certificate_key(leaf.certificate),
        tenant="bank-c",
        domain="d",
        sources=["urn:c"],
        offer=CertificateOffer(certificates=leaf.chain, anchors=[anchor.certificate], crls=crls),
    )


def der(certificate: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return certificate.public_bytes(Encoding.DER)


async def stored(platform: Installation, key_id: str = "k") -> SigningKeyRow:
    async with platform.database.session() as connection:
        return next(row for row in await list_signing_keys(connection) if row.key_id == key_id)


async def changes(platform: Installation) -> list[dict[str, object]]:
    return [leaf["key"] for leaf in await platform.leaves("bank-c", of_keys=True)]


async def found(platform: Installation) -> list[str]:
    return [str(finding) for finding in (await platform.audit()).findings]


async def test_a_key_is_valid_as_long_as_all_of_its_chain_and_the_leaf_says_which_chain(platform: Installation) -> None:
    (row,) = await platform.registrar().register(new(crls=LISTS))
    assert (row.not_before, row.not_after) == (NOW - DAY / 2, NOW + 20 * DAY + SECOND)
    chain = [der(each) for each in (*LEAF.chain, ROOT.certificate)]
    assert await stored(platform) == row
    assert row.chain == tuple(map(digest_of, chain))
    assert {each["der"] for each in await platform.rows("SELECT der FROM certificates")} == set(chain)
    assert {each["der"] for each in await platform.rows("SELECT der FROM revocation_lists")} == set(map(der, LISTS))
    (leaf,) = await changes(platform)
    assert leaf["certificates"] == [encode_base64url(digest) for digest in row.chain]
    await platform.sequence()
    assert await found(platform) == []


async def test_a_narrower_validity_is_kept_and_one_outside_of_the_chain_is_refused(platform: Installation) -> None:
    (row,) = await platform.registrar().register(replace(new(), not_before=NOW, not_after=NOW + DAY))
    assert (row.not_before, row.not_after) == (NOW, NOW + DAY)
    with pytest.raises(ConfigurationError, match="not valid at any moment"):
        await platform.registrar().register(replace(new(key_id="k2"), not_before=NOW + 25 * DAY))


async def test_a_certificate_is_stored_once(platform: Installation) -> None:
    await platform.registrar().register(new(), new(STATE.issue(name("other")), "k2"))
    assert await platform.one("SELECT count(*) FROM certificates") == 4


async def test_nothing_is_kept_of_a_chain_that_is_refused(platform: Installation) -> None:
    with pytest.raises(ChainRefused):
        await platform.registrar().register(new(anchor=root()))
    with pytest.raises(ConfigurationError, match="not the one in its certificate"):
        await platform.registrar().register(replace(new(), jwk=certificate_key(STATE.issue(name("x")).certificate)))
    with pytest.raises(CrlRefused, match="in no registered key's chain"):
        await platform.registrar().register(new(crls=[*LISTS, root("Another").crl()]))
    assert await platform.one("SELECT count(*) FROM certificates") == 0
    assert await platform.one("SELECT count(*) FROM revocation_lists") == 0
    assert await changes(platform) == []


async def test_a_newer_list_revokes_the_keys_it_names_from_the_date_it_says(platform: Installation) -> None:
    other, unnamed = STATE.issue(name("other")), STATE.issue(name("unnamed"))
    await platform.registrar().register(new(crls=LISTS), new(other, "k2"), new(unnamed, "k3"))
    listed = STATE.crl(
        [
            revoked(LEAF.serial, NOW - HOUR),
            revoked(other.serial, NOW - HOUR, invalid_since=NOW - 5 * HOUR),
            revoked(12345, NOW - HOUR),
        ],
        number=2,
        this_update=NOW - HOUR / 2,
    )
    rows = await platform.registrar(actor="pki@example.org").take_list(listed)
    assert {row.key_id: row.revoked_at for row in rows} == {"k": NOW - HOUR, "k2": NOW - 5 * HOUR}
    assert [(await stored(platform, each)).revoked_at for each in ("k", "k2", "k3")] == [
        NOW - HOUR,
        NOW - 5 * HOUR,
        None,
    ]
    leaves = [leaf for leaf in await changes(platform) if leaf["change"] == "revoke"]
    assert {leaf["crl"] for leaf in leaves} == {encode_base64url(digest_of(der(listed)))}
    assert await platform.registrar().take_list(listed) == [], "the same list again changes nothing"
    await platform.sequence()
    assert await found(platform) == []


async def test_a_list_moves_a_revocation_to_an_earlier_moment_and_never_to_a_later_one(platform: Installation) -> None:
    await platform.registrar().register(new(crls=LISTS))
    await platform.registrar().revoke("k", NOW - 3 * HOUR)
    later = STATE.crl([revoked(LEAF.serial, NOW - HOUR)], number=2, this_update=NOW - HOUR)
    assert await platform.registrar().take_list(later) == []
    earlier = STATE.crl([revoked(LEAF.serial, NOW - 4 * HOUR)], number=3, this_update=NOW - HOUR)
    (row,) = await platform.registrar().take_list(earlier)
    assert row.revoked_at == NOW - 4 * HOUR


async def test_keys_below_a_revoked_authority_are_revoked(platform: Installation) -> None:
    await platform.registrar().register(new(crls=LISTS))
    listed = ROOT.crl([revoked(STATE.serial, NOW - HOUR)], number=2, this_update=NOW - HOUR)
    assert [row.key_id for row in await platform.registrar().take_list(listed)] == ["k"]


async def test_a_serial_number_of_another_issuer_of_that_name_revokes_nothing(platform: Installation) -> None:
    twin = root().issue(STATE.certificate.subject, ca=True)
    theirs = twin.issue(name("theirs"))
    await platform.registrar().register(new(crls=LISTS))
    anchored = NewKey(
        name="k2",
        jwk=certificate_key(theirs.certificate),
        tenant="bank-c",
        domain="d",
        sources=["urn:c"],
        offer=CertificateOffer(
            certificates=theirs.chain, anchors=[twin.certificate], crls=[twin.crl([revoked(LEAF.serial, NOW - HOUR)])]
        ),
    )
    await platform.registrar().register(anchored)
    assert (await stored(platform)).revoked_at is None


async def test_an_older_list_a_forged_one_and_a_stranger_s_are_refused(platform: Installation) -> None:
    await platform.registrar().register(new(crls=[ROOT.crl(), STATE.crl(number=5, this_update=NOW - HOUR)]))
    listed = [revoked(LEAF.serial, NOW - HOUR)]
    for crl, why in (
        (STATE.crl(listed, number=4, this_update=NOW - HOUR), "older than the one held"),
        (STATE.crl(listed, number=6, this_update=NOW - 2 * HOUR), "older than the one held"),
        (STATE.crl(listed, number=6, this_update=NOW - HOUR, signing_key=new_key()), "not by the key"),
        (root("Another").crl(listed), "in no registered key's chain"),
    ):
        with pytest.raises(CrlRefused, match=why):
            await platform.registrar().take_list(crl)
    assert (await stored(platform)).revoked_at is None


async def test_a_list_that_is_held_counts_for_later_imports(platform: Installation) -> None:
    fresh = STATE.issue(name("fresh"))
    await platform.registrar().register(new(crls=LISTS))
    await platform.registrar().take_list(
        STATE.crl([revoked(fresh.serial, NOW - HOUR)], number=2, this_update=NOW - HOUR)
    )
    with pytest.raises(ChainRefused, match="revoked from") as refused:
        await platform.registrar().register(new(fresh, "k2"))
    assert (refused.value.position, refused.value.serial) == (1, fresh.serial)
    with pytest.raises(CrlRefused, match="older than the one held"):
        await platform.registrar().register(new(STATE.issue(name("good")), "k3", crls=LISTS))


async def test_a_key_whose_certificate_is_revoked_later_counts_until_then(platform: Installation) -> None:
    crls = [ROOT.crl(), STATE.crl([revoked(LEAF.serial, NOW + DAY)])]
    (row,) = await platform.registrar().register(new(crls=crls))
    assert row.revoked_at == NOW + DAY


@pytest.mark.parametrize("above", ["sm2", "p256"])
async def test_an_sm2_certificate_s_key_signs_events_until_a_list_revokes_it(
    platform: Installation, worker: Worker, above: str
) -> None:
    anchor = root(kind=above)
    ca = anchor.issue(name("CA"), ca=True, kind="sm2")
    leaf = ca.issue(name("国库"), kind="sm2")
    key = replace(
        new(leaf, leaf.key.key_id, [anchor.crl(), ca.crl()], anchor),
        tenant=BANK_A.tenant,
        domain=BANK_A.domain,
        sources=["urn:cn"],
    )
    await platform.registrar().register(key)
    await worker.parts.reload()
    inbox = Inbox()

    async def deliver(event: str, at: dt.datetime) -> None:
        inbox.put(transaction(event), leaf.key, "urn:cn").timestamp = int(at.timestamp() * 1_000)
        await worker.commit(inbox.take())

    await deliver("a", NOW - 3 * HOUR)
    listed = ca.crl([revoked(leaf.serial, NOW - HOUR)], number=2, this_update=NOW - HOUR / 2)
    (row,) = await platform.registrar().take_list(listed)
    assert (row.key_id, row.revoked_at) == (leaf.key.key_id, NOW - HOUR)
    await worker.parts.reload()
    await deliver("b", NOW - 2 * HOUR)
    await deliver("c", NOW)
    reasons = [each.get("reason") for each in await platform.leaves()]
    assert reasons == [None, None, Reason.KEY_REVOKED]
    await platform.sequence()
    assert await found(platform) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        pytest.param("DELETE FROM certificates", "a certificate of its chain is gone", id="gone"),
        pytest.param("UPDATE certificates SET der = der || '\\x00'::bytea", "not what its digest says", id="changed"),
        pytest.param(
            "UPDATE signing_keys SET chain = chain[2:] WHERE key_id = 'k'", "certificates in its row", id="cut"
        ),
        pytest.param("UPDATE signing_keys SET chain = NULL WHERE key_id = 'k'", "certificates in its row", id="none"),
    ],
)
async def test_an_audit_names_a_chain_that_was_tampered_with(platform: Installation, statement: str, says: str) -> None:
    await platform.registrar().register(new())
    await platform.execute(statement)
    assert [text for text in await found(platform) if text.startswith("key k") and says in text]
