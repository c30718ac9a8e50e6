"""Chains of certificates, in the cases that NIST's PKITS has, made here; and files that are none."""

import datetime as dt
import socket
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from security import certificate_chain
from security.certificate_chain import ChainRefused, read_certificates, verify_chain
from security.public_key import InvalidKeyError
from tests.shared_data import shared
from tests.support.pki import (
    DAY,
    NOW,
    Extension,
    Holder,
    directory,
    key_usage,
    name,
    new_key,
    pem,
    revoked,
    root,
    unknown,
)

ROOT = root()
STATE = ROOT.issue(name("State CA"), ca=True)
ISSUING = STATE.issue(name("Issuing CA"), ca=True, path_length=0)
LEAF = ISSUING.issue(name("payments"))
CRLS = (ROOT.crl(), STATE.crl(), ISSUING.crl())


async def verify(
    leaf: Holder,
    anchors: Sequence[Holder] = (ROOT,),
    crls: Sequence[x509.CertificateRevocationList] = (),
    at: dt.datetime = NOW,
) -> certificate_chain.CertificateChain:
    return await verify_chain(leaf.chain, [each.certificate for each in anchors], crls, at)


async def refusal(leaf: Holder, *args: object, **more: object) -> ChainRefused:
    with pytest.raises(ChainRefused) as refused:
        await verify(leaf, *args, **more)  # type: ignore[arg-type]
    return refused.value


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa", "sm2"])
async def test_a_chain_is_verified_to_its_anchor_with_every_kind_of_key(kind: str) -> None:
    ca = ROOT.issue(name("CA"), ca=True, kind=kind, not_after=NOW + 5 * DAY)
    leaf = ca.issue(name("leaf"), kind=kind, not_before=NOW - DAY / 2)
    chain = await verify(leaf, crls=[ROOT.crl(), ca.crl()])
    assert chain.certificates == (leaf.certificate, ca.certificate, ROOT.certificate)
    assert (chain.not_before, chain.not_after) == (NOW - DAY / 2, NOW + 5 * DAY + dt.timedelta(seconds=1))


async def test_the_anchor_may_stand_in_the_file_and_be_below_a_root() -> None:
    whole = (*LEAF.chain, ROOT.certificate)
    assert (await verify_chain(whole, [ROOT.certificate], CRLS, NOW)).certificates == whole
    below = await verify_chain(whole, [STATE.certificate], CRLS, NOW)
    assert below.certificates == (LEAF.certificate, ISSUING.certificate, STATE.certificate)


async def test_of_two_anchors_of_one_name_the_one_that_signed_counts() -> None:
    assert (await verify(LEAF, [root(), ROOT, root()])).certificates[-1] == ROOT.certificate


def constraints(*, permitted: Sequence[x509.GeneralName] = (), excluded: Sequence[x509.GeneralName] = ()) -> Extension:
    return x509.NameConstraints(list(permitted) or None, list(excluded) or None), True


def alternative(*names: x509.GeneralName) -> Extension:
    return x509.SubjectAlternativeName(names), False


def constrained(
    constraint: Extension, *, subject: x509.Name | None = None, names: Sequence[x509.GeneralName]
) -> Holder:
    ca = ROOT.issue(name("CA"), ca=True, extensions=[constraint])
    return ca.issue(subject or name("leaf"), extensions=[alternative(*names)] if names else [])


CONSTRAINTS = [
    pytest.param("permitted", directory("Treasury"), None, name("leaf", "Customs"), id="directory"),
    pytest.param("permitted", x509.DNSName("gov.example"), "a.gov.example", "gov.example.org", id="dns"),
    pytest.param(
        "permitted",
        x509.UniformResourceIdentifier(".gov.example"),
        "https://a.gov.example/x",
        "https://a.example/",
        id="uri",
    ),
    pytest.param("permitted", x509.RFC822Name("gov.example"), "a@gov.example", "a@b.example", id="mail"),
    pytest.param("excluded", directory("Customs"), None, name("leaf", "Customs"), id="not-directory"),
    pytest.param("excluded", x509.DNSName("gov.example"), "a.example", "a.gov.example", id="not-dns"),
    pytest.param(
        "excluded",
        x509.UniformResourceIdentifier(".gov.example"),
        "https://a.example/",
        "https://a.gov.example/",
        id="not-uri",
    ),
]


@pytest.mark.parametrize(("how", "base", "good", "bad"), CONSTRAINTS)
async def test_name_constraints_hold_for_what_a_certificate_names(
    how: str, base: x509.GeneralName, good: str | None, bad: str | x509.Name
) -> None:
    constraint = constraints(**{how: [base]})  # type: ignore[arg-type]
    as_names = lambda text: [type(base)(text)] if isinstance(text, str) else []  # noqa: E731
    await verify(constrained(constraint, names=as_names(good)))
    subject = bad if isinstance(bad, x509.Name) else None
    refused = await refusal(constrained(constraint, subject=subject, names=as_names(bad)))
    assert refused.position == 1
    assert "name" in str(refused)


async def test_an_anchor_s_own_constraints_count() -> None:
    anchor = root(extensions=[constraints(permitted=[directory("Treasury")])])
    await verify(anchor.issue(name("leaf")), [anchor])
    refused = await refusal(anchor.issue(name("leaf", "Customs")), [anchor])
    assert (refused.position, "permitted" in str(refused)) == (1, True)


def faults() -> list[object]:
    expired = {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY}
    early = {"not_before": NOW + DAY}
    other = new_key()
    no_ca = STATE.issue(name("no CA"))
    may_not = ROOT.issue(name("CA"), ca=True, usage=key_usage(sign=True, crls=True))
    critical: list[Extension] = [(unknown(), True)]
    return [
        pytest.param(ISSUING.issue(name("x"), **expired), 1, "expired", id="expired"),
        pytest.param(ISSUING.issue(name("x"), **early), 1, "not valid until", id="not-yet-valid"),
        pytest.param(
            STATE.issue(name("CA"), ca=True, **expired).issue(name("x")), 2, "expired", id="authority-expired"
        ),
        pytest.param(ISSUING.issue(name("x"), signing_key=other), 1, "signature", id="wrong-signature"),
        pytest.param(
            STATE.issue(name("CA"), ca=True, signing_key=other).issue(name("x")), 2, "signature", id="authority-forged"
        ),
        pytest.param(
            ROOT.issue(name("CA"), ca=True, signing_key=other).issue(name("x")), 2, "signature", id="below-root"
        ),
        pytest.param(no_ca.issue(name("x")), 2, "not a CA", id="no-authority"),
        pytest.param(may_not.issue(name("x")), 2, "not allowed to sign", id="no-certificates"),
        pytest.param(ISSUING.issue(name("CA"), ca=True).issue(name("x")), 2, "path length", id="too-long-a-path"),
        pytest.param(ISSUING.issue(name("x"), extensions=critical), 1, "1.2.3.4.5", id="unknown-critical"),
        pytest.param(
            STATE.issue(name("CA"), ca=True, extensions=critical).issue(name("x")), 2, "1.2.3.4.5", id="critical-above"
        ),
        pytest.param(ISSUING.issue(name("x"), digest=hashes.SHA224()), None, "", id="sha-224-is-fine"),
    ]


@pytest.mark.parametrize(("leaf", "position", "why"), faults())
async def test_a_fault_is_named_with_the_certificate_it_is_in(leaf: Holder, position: int | None, why: str) -> None:
    if position is None:
        await verify(leaf)
        return
    refused = await refusal(leaf)
    assert (refused.position, refused.serial) == (position, leaf.chain[position - 1].serial_number)
    assert str(refused).startswith(f"certificate {position} (serial {refused.serial:X}): ")
    assert why in str(refused)


async def test_unknown_issuers_disorder_and_endless_chains_are_refused() -> None:
    assert "none of the trust anchors" in str(await refusal(LEAF, [root("Another Root")]))
    with pytest.raises(ChainRefused, match=r"certificate 2 .*put each before its issuer's"):
        await verify_chain([LEAF.certificate, STATE.certificate], [ROOT.certificate], (), NOW)
    long = ROOT
    for number in range(certificate_chain.MAX_CHAIN + 1):
        long = long.issue(name(f"CA {number}"), ca=True)
    assert "at most" in str(await refusal(long))
    loop = Holder(LEAF.key, LEAF.certificate, (ISSUING.certificate, STATE.certificate) * 2)
    assert "put each before" in str(await refusal(loop, [root("Another Root")]))


async def test_an_anchor_that_is_expired_or_no_authority_anchors_nothing() -> None:
    expired = root(not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    assert "trust anchor" in str(await refusal(expired.issue(name("x")), [expired]))
    plain = root(ca=False)
    assert "not an authority's" in str(await refusal(plain.issue(name("x")), [plain]))
    assert "a producer signs with one below" in str(await refusal(ROOT))


CRL_FAULTS = [
    pytest.param([], 1, "no CRL that counts", id="none-for-the-leaf"),
    pytest.param([ISSUING.crl(next_update=NOW - DAY / 2)], 1, "no CRL that counts", id="expired"),
    pytest.param([ISSUING.crl(this_update=NOW + DAY / 2)], 1, "no CRL that counts", id="not-yet-issued"),
    pytest.param([root("Another").crl()], 1, "no CRL that counts", id="another-issuer-s"),
    pytest.param([ISSUING.crl(signing_key=new_key())], 1, "no CRL that counts", id="wrong-key"),
    pytest.param([ISSUING.crl([revoked(LEAF.serial, NOW - DAY)])], 1, "revoked from", id="revoked"),
    pytest.param([ISSUING.crl(extensions=[(unknown(), True)])], 1, "no CRL that counts", id="unknown-critical"),
]


@pytest.mark.parametrize(("crls", "position", "why"), CRL_FAULTS)
async def test_with_crls_every_certificate_needs_one_that_says_it_is_good(
    crls: list[x509.CertificateRevocationList], position: int, why: str
) -> None:
    await verify(LEAF, crls=CRLS)
    refused = await refusal(LEAF, crls=[ROOT.crl(), STATE.crl(), *crls])
    assert (refused.position, why in str(refused)) == (position, True), str(refused)


async def test_a_revoked_authority_takes_what_it_issued_along() -> None:
    lists = [ROOT.crl(), STATE.crl([revoked(ISSUING.serial, NOW - DAY)]), ISSUING.crl()]
    refused = await refusal(LEAF, crls=lists)
    assert (refused.position, refused.serial) == (2, ISSUING.serial)


async def test_a_revocation_counts_from_its_date_on() -> None:
    lists = [ROOT.crl(), STATE.crl(), ISSUING.crl([revoked(LEAF.serial, NOW + DAY / 4)])]
    await verify(LEAF, crls=lists)
    assert (await refusal(LEAF, crls=lists, at=NOW + DAY / 2)).position == 1


async def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("the network is asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    place = x509.UniformResourceIdentifier("http://127.0.0.1:9/crl")
    points = x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)])
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(x509.AuthorityInformationAccessOID.CA_ISSUERS, place)]
    )
    leaf = ISSUING.issue(name("x"), extensions=[(points, False), (access, False)])
    await verify(leaf)
    assert "no CRL" in str(await refusal(leaf, crls=[ROOT.crl(), STATE.crl()]))


def test_a_file_of_certificates_is_read_in_either_form() -> None:
    assert read_certificates(pem(LEAF.chain), "f") == LEAF.chain
    der = LEAF.certificate.public_bytes(certificate_chain.Encoding.DER)
    assert read_certificates(der, "f") == (LEAF.certificate,)


def test_hostile_files_are_refused() -> None:
    files = [path for path in shared("data/hostile").rglob("*") if path.is_file() and path.stat().st_size < 1 << 21]
    assert len(files) > 100
    for path in files:
        for content in (path.read_bytes(), b"-----BEGIN CERTIFICATE-----\n" + path.read_bytes()):
            with pytest.raises(InvalidKeyError):
                read_certificates(content, "f")


def test_a_certificate_with_any_byte_changed_never_passes_for_the_first_one() -> None:
    good = LEAF.certificate.public_bytes(certificate_chain.Encoding.DER)
    for place in range(0, len(good), 7):
        changed = good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :]
        try:
            (found,) = read_certificates(changed, "f")
        except InvalidKeyError:
            continue
        assert found != LEAF.certificate
