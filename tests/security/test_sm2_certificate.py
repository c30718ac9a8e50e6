"""SM2 in certificates and CRLs: chains of its own and mixed ones, forms that are refused, and the system's openssl."""

import datetime as dt
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from security import libcrypto
from security.algorithms import DEFAULT_SIGNER_ID, Algorithm, BadSignature
from security.certificate_chain import CertificateChain, ChainRefused, read_certificates, verify_chain
from security.key_import import certificate_key, read_public_keys
from security.libcrypto import LibcryptoMissing
from security.public_key import InvalidKeyError
from security.revocation_list import CrlRefused, read_crl, spki, verify_crl
from security.signing import Sm2Signer
from security.sm2 import SM2_ORDER
from security.sm2_certificate import see_signed, sm2_key
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
from tests.support.sm2_x509 import (
    SHA256_WITH_ECDSA,
    SM2_WITH_SM3,
    SM2_WITH_SM3_NULL,
    Form,
    parts,
    sequence,
    subject_info,
)

SECRET = b"\5" * 32
ROOT = root(key=Sm2Signer("root", SECRET))
OTHER_ID = Sm2Signer("root", SECRET, "1234567812345679")
STATE = ROOT.issue(name("State CA"), ca=True, kind="sm2")
LEAF = STATE.issue(name("国库", "财政部", "CN"), kind="sm2")
P256 = root("P-256 Root")
HOUR = dt.timedelta(hours=1)


async def verify(leaf: Holder, *crls: x509.CertificateRevocationList, anchor: Holder = ROOT) -> CertificateChain:
    return await verify_chain(read_certificates(leaf.pem, "f"), [anchor.certificate], crls, NOW)


async def test_a_chain_on_sm2_throughout_is_verified_with_its_lists_and_gives_an_sm2_key() -> None:
    chain = await verify(LEAF, ROOT.crl(), STATE.crl())
    assert chain.certificates == (LEAF.certificate, STATE.certificate, ROOT.certificate)
    jwk = certificate_key(chain.certificates[0])
    assert (jwk.public_key, jwk.algorithm, jwk.signer_id) == (LEAF.key.public_key, Algorithm.SM2, DEFAULT_SIGNER_ID)
    (found,) = read_public_keys(pem([LEAF.certificate]))
    assert (found.jwk, found.not_before) == (jwk, NOW - DAY)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa", "ed25519"])
async def test_sm2_and_other_keys_certify_each_other(kind: str) -> None:
    for above, below in (("sm2", kind), (kind, "sm2")):
        anchor = root(kind=above)
        middle = anchor.issue(name("CA"), ca=True, kind=below)
        await verify(middle.issue(name("leaf"), kind=above), anchor.crl(), middle.crl(), anchor=anchor)


async def test_the_algorithm_may_have_null_for_parameters_as_the_national_root_writes_it() -> None:
    form = Form(inside=SM2_WITH_SM3_NULL)
    middle = ROOT.issue(name("CA"), ca=True, kind="sm2", form=form)
    await verify(middle.issue(name("leaf"), kind="sm2", form=form), ROOT.crl(form=form), middle.crl(form=form))


async def test_of_two_anchors_of_one_name_the_one_that_signed_counts() -> None:
    anchors = [each.certificate for each in (root(kind="sm2"), ROOT, root())]
    assert (await verify_chain(LEAF.chain, anchors, (), NOW)).certificates[-1] == ROOT.certificate


def numbers(change: Callable[[int, int], tuple[int, int]]) -> Callable[[bytes], bytes]:
    def changed(der: bytes) -> bytes:
        r, s = (int.from_bytes(each[2:]) for each in parts(der))
        return sequence(*(b"\x02" + bytes([len(raw)]) + raw for raw in map(signed_bytes, change(r, s))))

    return changed


def signed_bytes(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1)


def padded(der: bytes) -> bytes:
    r, s = parts(der)
    return sequence(b"\x02" + bytes([r[1] + 1]) + b"\0" + r[2:], s)


FORMS = [
    pytest.param(Form(inside=SHA256_WITH_ECDSA), "not one of its issuer's key", id="ecdsa-by-an-sm2-key"),
    pytest.param(Form(outside=SHA256_WITH_ECDSA), "inside and another one outside", id="another-outside"),
    pytest.param(Form(inside=SHA256_WITH_ECDSA, outside=SM2_WITH_SM3), "inside and another", id="another-inside"),
    pytest.param(Form(outside=SM2_WITH_SM3_NULL), "inside and another one outside", id="null-outside-alone"),
    pytest.param(Form(inside=SM2_WITH_SM3_NULL, outside=SM2_WITH_SM3), "inside and another", id="null-inside-alone"),
    pytest.param(
        Form(inside=bytes.fromhex("300d06082a811ccf55018375020107")), "not one of its issuer's", id="parameters"
    ),
    pytest.param(Form(changed=lambda der: der + b"\0"), "signature", id="trailing-byte"),
    pytest.param(Form(changed=lambda der: b"\x30\x81" + der[1:]), "signature", id="long-length"),
    pytest.param(Form(changed=padded), "signature", id="padded-number"),
    pytest.param(Form(changed=lambda der: der[:-1] + bytes([der[-1] ^ 1])), "signature", id="another-signature"),
    pytest.param(Form(changed=lambda der: b"".join(each[-32:] for each in parts(der))), "signature", id="raw"),
    pytest.param(Form(changed=numbers(lambda r, s: (s, r))), "signature", id="swapped"),
    pytest.param(Form(changed=numbers(lambda r, s: (r, s + SM2_ORDER))), "signature", id="beyond-the-order"),
    pytest.param(Form(changed=numbers(lambda r, s: (r, 0))), "signature", id="zero"),
    pytest.param(Form(changed=lambda _: b""), "signature", id="empty"),
]


@pytest.mark.parametrize(("form", "why"), FORMS)
async def test_a_signature_of_another_form_is_refused_on_certificates_and_lists(form: Form, why: str) -> None:
    with pytest.raises(ChainRefused, match=why) as refused:
        await verify(STATE.issue(name("leaf"), kind="sm2", form=form))
    assert refused.value.position == 1
    with pytest.raises(ChainRefused, match=why) as refused:
        await verify(ROOT.issue(name("CA"), ca=True, kind="sm2", form=form).issue(name("leaf")))
    assert refused.value.position == 2
    if form.outside is not None:
        with pytest.raises(ValueError, match="Inner and outer"):  # by the parser, as `read_crl` calls it
            ROOT.crl(form=form)
        return
    with pytest.raises(CrlRefused, match="not by the key"):
        verify_crl(ROOT.crl(form=form), [ROOT.certificate], NOW)


def test_bits_of_a_signature_that_are_said_to_be_unused_are_refused() -> None:
    while (leaf := ROOT.issue(name("leaf"), kind="sm2")).certificate.signature[-1] & 1:
        pass  # a bit can be unused only if it is zero
    signed, algorithm, bits = parts(leaf.certificate.public_bytes(Encoding.DER))
    place = len(bits) - len(leaf.certificate.signature) - 1
    changed = sequence(signed, algorithm, bits[:place] + b"\1" + bits[place + 1 :])
    with pytest.raises(ChainRefused, match="a whole byte"):
        read_certificates(changed, "f")
    with pytest.raises(BadSignature):
        see_signed(x509.load_der_x509_certificate(changed), ROOT.key.public_key)


@pytest.mark.parametrize("kind", ["p256", "rsa"])
async def test_sm2_is_no_algorithm_of_another_key_nor_does_its_signature_pass_for_theirs(kind: str) -> None:
    anchor = root(kind=kind)
    claimed = anchor.issue(name("leaf"), form=Form(inside=SM2_WITH_SM3))
    forged = anchor.issue(name("leaf"), signing_key=new_key("sm2"))
    for leaf in (claimed, forged):
        with pytest.raises(ChainRefused, match="not one of its issuer's key"):
            await verify(leaf, anchor=anchor)
    for crl in (anchor.crl(form=Form(inside=SM2_WITH_SM3)), anchor.crl(signing_key=new_key("sm2"))):
        with pytest.raises(CrlRefused, match="not by the key"):
            verify_crl(crl, [anchor.certificate], NOW)


async def test_other_algorithms_must_be_the_same_inside_and_outside_too() -> None:
    sha384 = bytes.fromhex("300a06082a8648ce3d040303")
    with pytest.raises(ChainRefused, match="inside and another one outside"):
        await verify(P256.issue(name("leaf"), form=Form(inside=sha384, outside=SHA256_WITH_ECDSA)), anchor=P256)


async def test_what_is_signed_with_another_id_or_by_another_key_is_refused() -> None:
    for key in (OTHER_ID, new_key("sm2"), new_key()):
        with pytest.raises(ChainRefused, match=r"signature"):
            await verify(ROOT.issue(name("leaf"), kind="sm2", signing_key=key))
        with pytest.raises(CrlRefused, match="not by the key"):
            verify_crl(ROOT.crl(signing_key=key), [ROOT.certificate], NOW)


def faults() -> list[object]:
    expired = {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY}
    critical: list[Extension] = [(unknown(), True)]
    permitted: list[Extension] = [(x509.NameConstraints([directory("Treasury")], None), True)]
    issue = STATE.issue
    return [
        pytest.param(issue(name("x"), kind="sm2", **expired), 1, "expired", id="expired"),
        pytest.param(issue(name("x"), kind="sm2", not_before=NOW + DAY), 1, "not valid until", id="not-yet-valid"),
        pytest.param(
            issue(name("CA"), ca=True, kind="sm2", **expired).issue(name("x")), 2, "expired", id="authority-expired"
        ),
        pytest.param(issue(name("x"), kind="sm2").issue(name("y"), kind="sm2"), 2, "not a CA", id="no-authority"),
        pytest.param(
            issue(name("CA"), ca=True, kind="sm2", usage=key_usage(sign=True)).issue(name("x")),
            2,
            "not allowed to sign",
            id="no-certificates",
        ),
        pytest.param(
            issue(name("CA"), ca=True, path_length=0, kind="sm2")
            .issue(name("CA 2"), ca=True, kind="sm2")
            .issue(name("x")),
            2,
            "path length",
            id="path-length",
        ),
        pytest.param(issue(name("x"), kind="sm2", extensions=critical), 1, "1.2.3.4.5", id="unknown-critical"),
        pytest.param(
            issue(name("CA"), ca=True, kind="sm2", extensions=permitted).issue(name("x", "Customs"), kind="sm2"),
            1,
            "permitted",
            id="name-constraints",
        ),
    ]


@pytest.mark.parametrize(("leaf", "position", "why"), faults())
async def test_all_else_in_a_path_is_judged_as_ever(leaf: Holder, position: int, why: str) -> None:
    with pytest.raises(ChainRefused, match=why) as refused:
        await verify(leaf)
    assert (refused.value.position, refused.value.serial) == (position, leaf.chain[position - 1].serial_number)


KEY = Sm2Signer("k", b"\6" * 32)
CURVE, OTHER_CURVE = bytes.fromhex("06082a811ccf5501822d"), bytes.fromhex("06092b2403030208010107")  # brainpoolP256r1
EC = bytes.fromhex("06072a8648ce3d0201")
KEYS = [
    pytest.param(subject_info(KEY, compressed=True), "uncompressed point", id="compressed"),
    pytest.param(subject_info(KEY).replace(b"\x42\0\4", b"\x42\0\6"), "uncompressed point", id="hybrid"),
    pytest.param(subject_info(KEY)[:-1] + bytes([subject_info(KEY)[-1] ^ 1]), "not a point on SM2", id="off-the-curve"),
    pytest.param(subject_info(KEY, algorithm=sequence(CURVE)), "uncompressed point", id="the-curve-as-algorithm"),
    pytest.param(subject_info(KEY, algorithm=sequence(EC, OTHER_CURVE)), "none that chains", id="another-curve"),
    pytest.param(
        subject_info(KEY, algorithm=sequence(CURVE[:-1] + b"\x01", b"\xbf\x81\x00\x00")), "none that", id="a-long-tag"
    ),
    pytest.param(
        new_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).replace(
            bytes.fromhex("06082a8648ce3d030107"), CURVE
        ),
        "not a point on SM2",
        id="a-point-on-p256",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("info", "why"), KEYS)
def test_a_key_of_another_form_is_refused_with_its_position(info: bytes, why: str) -> None:
    leaf = STATE.issue(name("leaf"), kind="sm2", form=Form(info=info))
    with pytest.raises(ChainRefused, match=rf"certificate 1 .*{why}"):
        read_certificates(leaf.pem, "f")
    with pytest.raises(InvalidKeyError):
        certificate_key(leaf.certificate)
    below = STATE.issue(name("CA"), ca=True, kind="sm2", form=Form(info=info)).issue(name("leaf")).pem
    with pytest.raises(ChainRefused, match=rf"certificate 2 .*{why}"):
        read_certificates(below, "f")


@pytest.mark.parametrize("form", [Form(outside=SM2_WITH_SM3_NULL), Form(inside=SHA256_WITH_ECDSA)])
def test_a_signature_alone_holds_only_under_its_own_algorithm(form: Form) -> None:
    see_signed(STATE.certificate, ROOT.key.public_key)
    with pytest.raises(BadSignature):
        see_signed(ROOT.issue(name("CA"), ca=True, kind="sm2", form=form).certificate, ROOT.key.public_key)


def test_what_a_certificate_is_for_counts_for_sm2_too() -> None:
    encrypting = x509.KeyUsage(False, False, True, True, True, False, False, False, False)
    for leaf, why in (
        (STATE.issue(name("x"), kind="sm2", usage=encrypting), "not for signatures"),
        (STATE, "authority"),
    ):
        with pytest.raises(InvalidKeyError, match=why):
            certificate_key(leaf.certificate)
    with pytest.raises(InvalidKeyError, match="another kind"):
        certificate_key(LEAF.certificate, Algorithm.ES256)


async def test_a_certificate_with_any_byte_changed_is_refused() -> None:
    good = LEAF.certificate.public_bytes(Encoding.DER)
    for place in range(0, len(good), 3):
        changed = good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :]
        with pytest.raises(InvalidKeyError):
            await verify_chain([*read_certificates(changed, "f"), STATE.certificate], [ROOT.certificate], (), NOW)


def test_a_list_says_who_is_revoked_and_counts_unless_a_byte_is_changed() -> None:
    crl = ROOT.crl([revoked(5, NOW - HOUR)])
    good = crl.public_bytes(Encoding.DER)
    found = verify_crl(read_crl(good), [P256.certificate, ROOT.certificate], NOW)
    assert found.revocations([4, 5]) == {5: NOW - HOUR}
    assert found.signer == spki(ROOT.certificate) == subject_info(ROOT.key)
    for place in range(len(good)):
        with pytest.raises(CrlRefused):
            verify_crl(read_crl(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]), [ROOT.certificate], NOW)


CRL_FAULTS = [
    pytest.param([], 1, "there is none by its issuer", id="none"),
    pytest.param([STATE.crl(next_update=NOW - HOUR)], 1, "out of date", id="expired"),
    pytest.param([STATE.crl(this_update=NOW + HOUR)], 1, "in the future", id="not-yet-issued"),
    pytest.param([STATE.crl(signing_key=new_key("sm2"))], 1, "not by the key", id="wrong-key"),
    pytest.param([STATE.crl([revoked(LEAF.serial, NOW - DAY)])], 1, "revoked from", id="revoked"),
    pytest.param([STATE.crl(), ROOT.crl([revoked(STATE.serial, NOW - DAY)])], 2, "revoked from", id="authority"),
]


@pytest.mark.parametrize(("crls", "position", "why"), CRL_FAULTS)
async def test_lists_signed_with_sm2_count_in_a_chain_as_others_do(
    crls: list[x509.CertificateRevocationList], position: int, why: str
) -> None:
    with pytest.raises(ChainRefused, match=why) as refused:
        await verify(LEAF, ROOT.crl(), *crls)
    assert refused.value.position == position


@pytest.mark.parametrize("library", ["libcrypto-that-is-not-there.so", "libm.so.6"])
async def test_a_machine_without_sm2_says_so_and_needs_none_for_a_key_under_another_authority(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    crl, mixed = ROOT.crl(), P256.issue(name("leaf"), kind="sm2")
    monkeypatch.setattr(libcrypto, "LIBRARY", library)
    libcrypto.load.cache_clear()
    try:
        with pytest.raises(LibcryptoMissing, match=r"SM2 needs the system's OpenSSL 3.*libssl3"):
            await verify(LEAF)
        with pytest.raises(LibcryptoMissing):
            verify_crl(crl, [ROOT.certificate], NOW)
        await verify(mixed, anchor=P256)
    finally:
        libcrypto.load.cache_clear()


def openssl(*words: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True)


def test_the_system_s_openssl_verifies_each_link_of_a_chain_that_we_take(tmp_path: Path) -> None:
    for file, holder in (("root", ROOT), ("state", STATE), ("leaf", LEAF)):
        (tmp_path / file).write_bytes(pem([holder.certificate]))
    if b"SM2" not in openssl("list", "-signature-algorithms").stdout:
        pytest.skip("the system's OpenSSL knows no SM2")
    # Link by link: OpenSSL 3.0 gives the ID to the certificate that is verified, not to those above it.
    for above, below in (("root", "root"), ("root", "state"), ("state", "leaf")):
        for signer_id, holds in ((DEFAULT_SIGNER_ID, True), ("1234567812345679", above == below)):
            trust = ("-partial_chain", "-trusted", tmp_path / above)
            done = openssl("verify", "-vfyopt", f"distid:{signer_id}", *trust, tmp_path / below)
            assert (done.returncode == 0) is holds, done.stderr


def test_a_certificate_of_the_system_s_openssl_is_read_and_its_signature_holds(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = f"req -x509 -new -key {key} -sm3 -subj /CN=SM2 -sigopt distid:1234567812345678 -days 9 -out {certificate}"
    for command in (f"genpkey -algorithm SM2 -out {key}", request):
        made = openssl(*command.split())
    if made.returncode:
        pytest.skip("the system's OpenSSL makes no SM2 certificates")
    (found,) = read_certificates(certificate.read_bytes(), "f")
    public = sm2_key(found)
    assert public is not None
    see_signed(found, public)
    with pytest.raises(BadSignature):
        see_signed(found, KEY.public_key)
