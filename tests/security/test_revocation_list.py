"""Certificate revocation lists: what is taken, from when on it revokes, and what is refused."""

import datetime as dt
import tracemalloc
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from security.certificate_chain import ChainRefused, verify_chain
from security.revocation_list import MAX_CRL_BYTES, CrlRefused, RevocationList, read_crl, verify_crl
from tests.shared_data import shared
from tests.support.pki import DAY, NOW, Extension, key_usage, name, new_key, revoked, root, unknown

ROOT = root()
LEAF = ROOT.issue(name("leaf"))
HOUR = dt.timedelta(hours=1)


def verified(crl: x509.CertificateRevocationList, at: dt.datetime = NOW) -> RevocationList:
    crl = read_crl(crl.public_bytes(Encoding.DER))
    return verify_crl(crl, [LEAF.certificate, root().certificate, ROOT.certificate], at)


def point(**more: object) -> Extension:
    plain = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**plain | more), True  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_list_in_either_form_says_who_is_revoked_and_from_when_on(encoding: Encoding) -> None:
    entries = [
        revoked(5, NOW - HOUR),
        revoked(6, NOW - HOUR, invalid_since=NOW - 2 * DAY),
        revoked(7, NOW - 2 * DAY, invalid_since=NOW - DAY),
        revoked(8, NOW - DAY, extensions=[(x509.CRLReason(x509.ReasonFlags.certificate_hold), False)]),
    ]
    found = verified(read_crl(ROOT.crl(entries).public_bytes(encoding)))
    assert found.revocations([4, 5, 6, 7, 8]) == {5: NOW - HOUR, 6: NOW - 2 * DAY, 7: NOW - 2 * DAY, 8: NOW - DAY}
    assert (found.this_update, found.next_update) == (NOW - DAY, NOW + DAY)


DELTA = x509.DeltaCRLIndicator(1), True
REASONS = frozenset({x509.ReasonFlags.key_compromise})


@pytest.mark.parametrize(
    ("crl", "why"),
    [
        pytest.param(root("Another").crl(), "in no registered key's chain", id="another-issuer-s"),
        pytest.param(ROOT.crl(signing_key=new_key()), "not by the key", id="wrong-key"),
        pytest.param(ROOT.crl(next_update=NOW - HOUR), "out of date since", id="expired"),
        pytest.param(ROOT.crl(this_update=NOW + HOUR), "in the future", id="future"),
        pytest.param(ROOT.crl(extensions=[DELTA]), "delta", id="delta"),
        pytest.param(ROOT.crl(extensions=[(unknown(), True)]), "critical extension", id="unknown-critical"),
        pytest.param(ROOT.crl(extensions=[point(indirect_crl=True)]), "other issuers'", id="indirect"),
        pytest.param(ROOT.crl(extensions=[point(only_some_reasons=REASONS)]), "some reasons", id="some-reasons"),
        pytest.param(
            ROOT.crl(extensions=[point(relative_name=x509.RelativeDistinguishedName(name("x").rdns[0]))]),
            "relative",
            id="relative",
        ),
        pytest.param(
            ROOT.crl([revoked(5, NOW, extensions=[(unknown(), True)])]), "entry .* critical", id="unknown-of-an-entry"
        ),
    ],
)
def test_a_list_that_does_not_count_is_refused(crl: x509.CertificateRevocationList, why: str) -> None:
    with pytest.raises(CrlRefused, match=why):
        verified(crl)


def test_an_issuer_without_the_right_may_not_sign_lists() -> None:
    ca = ROOT.issue(name("CA"), ca=True, usage=key_usage(certificates=True))
    with pytest.raises(CrlRefused, match="may not sign"):
        verify_crl(ca.crl(), [ca.certificate], NOW)


def test_lists_of_one_scope_are_older_or_newer_by_number_and_time() -> None:
    first = ROOT.crl(number=4, this_update=NOW - HOUR)
    assert verified(ROOT.crl(number=3, this_update=NOW)).older_than(first)
    assert verified(ROOT.crl(number=5, this_update=NOW - 2 * HOUR)).older_than(first)
    assert verified(ROOT.crl(number=None, this_update=NOW - 2 * HOUR)).older_than(first)
    assert not verified(ROOT.crl(number=5, this_update=NOW)).older_than(first)
    assert not verified(first).older_than(first)


def test_lists_of_other_keys_and_points_are_of_other_scopes() -> None:
    scopes = {
        verified(ROOT.crl()).scope,
        verified(ROOT.crl(extensions=[point(only_contains_user_certs=True)])).scope,
        verified(ROOT.crl(extensions=[point(only_contains_ca_certs=True)])).scope,
        verify_crl((other := root()).crl(), [other.certificate], NOW).scope,
    }
    assert len(scopes) == 4
    assert verified(ROOT.crl(number=9)).scope in scopes


PLACE = x509.UniformResourceIdentifier("http://crl.gov.example/1")
ELSEWHERE = x509.UniformResourceIdentifier("http://crl.gov.example/2")
POINTS = x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, None, None)])
SOME = x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, REASONS, None)])
OTHERS = x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, None, [x509.DirectoryName(name("x"))])])


@pytest.mark.parametrize(
    ("extension", "points", "counts"),
    [
        pytest.param(point(only_contains_user_certs=True), [], True, id="for-users"),
        pytest.param(point(only_contains_ca_certs=True), [], False, id="for-authorities"),
        pytest.param(point(full_name=[PLACE]), [(POINTS, False)], True, id="for-its-point"),
        pytest.param(point(full_name=[ELSEWHERE]), [(POINTS, False)], False, id="for-another-point"),
        pytest.param(point(full_name=[PLACE]), [], False, id="for-a-point-and-it-has-none"),
        pytest.param(point(full_name=[PLACE]), [(SOME, False)], False, id="for-some-reasons-at-its-point"),
        pytest.param(point(full_name=[PLACE]), [(OTHERS, False)], False, id="for-another-issuer-at-its-point"),
    ],
)
async def test_a_list_for_others_does_not_say_that_a_certificate_is_good(
    extension: Extension, points: Sequence[Extension], counts: bool
) -> None:
    leaf = ROOT.issue(name("leaf"), extensions=points)
    crls = [ROOT.crl(extensions=[extension])]
    assert verified(crls[0]).covers(leaf.certificate) is counts
    if counts:
        await verify_chain(leaf.chain, [ROOT.certificate], crls, NOW)
    else:
        with pytest.raises(ChainRefused, match="for others"):
            await verify_chain(leaf.chain, [ROOT.certificate], crls, NOW)


def test_hostile_files_are_no_lists_and_take_little_memory() -> None:
    files = [path for path in shared("data/hostile").rglob("*") if path.is_file()]
    assert len(files) > 100
    tracemalloc.start()
    for path in files:
        content = path.read_bytes()
        for each in (content, b"-----BEGIN X509 CRL-----\n" + content):
            with pytest.raises(CrlRefused):
                read_crl(each)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * max(path.stat().st_size for path in files) + (8 << 20)


def test_a_list_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(CrlRefused, match="longer than"):
        read_crl(bytes(MAX_CRL_BYTES + 1))


def test_a_list_with_any_signed_byte_changed_is_refused() -> None:
    crl = ROOT.crl([revoked(5, NOW - HOUR)])
    good = crl.public_bytes(Encoding.DER)
    start = good.index(crl.tbs_certlist_bytes)
    for place in range(start, start + len(crl.tbs_certlist_bytes)):
        with pytest.raises(CrlRefused):
            verified(read_crl(good[:place] + bytes([good[place] ^ 0x01]) + good[place + 1 :]))
