"""Key files as producers send them, and files that are none."""

import base64
import datetime as dt
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from security.algorithms import Algorithm
from security.key_files import private_jwk
from security.key_import import MAX_FILE_BYTES, read_public_keys
from security.public_key import InvalidKeyError, KeyKind
from security.signing import Ed25519Signer
from tests.shared_data import SHARED, shared

SIGNER = Ed25519Signer("k", b"s" * 32)
MEMBERS = dict(SIGNER.jwk.to_members())
RSA = rsa.generate_private_key(65_537, 2_048)
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a producer")])
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate(
    key: PrivateKey, change: Callable[[x509.CertificateBuilder], x509.CertificateBuilder] = lambda builder: builder
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + dt.timedelta(days=1))
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return change(builder).sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=not sign,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


KEYS = [
    pytest.param(ed25519.Ed25519PrivateKey.generate(), None, KeyKind.ED25519, Algorithm.ED25519, id="ed25519"),
    pytest.param(ec.generate_private_key(ec.SECP256R1()), None, KeyKind.P256, Algorithm.ES256, id="p-256"),
    pytest.param(ec.generate_private_key(ec.SECP384R1()), None, KeyKind.P384, Algorithm.ES384, id="p-384"),
    pytest.param(RSA, Algorithm.PS384, KeyKind.RSA, Algorithm.PS384, id="rsa"),
]


def test_a_jwk_is_one_key_named_by_its_kid() -> None:
    (found,) = read_public_keys(msgspec.json.encode(MEMBERS))
    assert found.jwk == SIGNER.jwk
    assert found.not_before is found.not_after is None


def test_a_jwk_set_is_many_keys_and_what_is_unknown_is_left_out() -> None:
    other = dict(Ed25519Signer("k2", b"2" * 32).jwk.to_members())
    content = json.dumps({"keys": [MEMBERS, {"kty": "oct-of-tomorrow"}, other]}).encode()
    assert [each.jwk.key_id for each in read_public_keys(content)] == ["k", "k2"]


@pytest.mark.parametrize(("key", "given", "kind", "algorithm"), KEYS)
def test_a_pem_public_key_is_read(
    key: PrivateKey, given: Algorithm | None, kind: KeyKind, algorithm: Algorithm
) -> None:
    (found,) = read_public_keys(b"\n " + pem(key), given)
    assert (found.jwk.public_key.kind, found.jwk.algorithm, found.jwk.key_id) == (kind, algorithm, None)


@pytest.mark.parametrize(("key", "given", "kind", "algorithm"), KEYS)
def test_a_certificate_gives_its_key_and_its_validity(
    key: PrivateKey, given: Algorithm | None, kind: KeyKind, algorithm: Algorithm
) -> None:
    (found,) = read_public_keys(certificate(key), given)
    assert (found.jwk.public_key.kind, found.jwk.algorithm) == (kind, algorithm)
    assert found.jwk.public_key == read_public_keys(pem(key), given)[0].jwk.public_key
    assert found.not_before == START
    assert found.not_after == START + dt.timedelta(days=1, seconds=1)


def _with(extension: x509.ExtensionType) -> bytes:
    return certificate(RSA, lambda builder: builder.add_extension(extension, critical=True))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(pem(RSA), "--algorithm", id="rsa-without-an-algorithm"),
        pytest.param(pem(rsa.generate_private_key(65_537, 1_024)), "2048", id="a-short-rsa-key"),
        pytest.param(pem(rsa.generate_private_key(3, 2_048)), "exponent", id="another-exponent"),
        pytest.param(pem(ec.generate_private_key(ec.SECP521R1())), "neither", id="another-curve"),
        pytest.param(
            RSA.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            "no longer secret",
            id="a-private-pem",
        ),
        pytest.param(private_jwk("k", Algorithm.ED25519, b"s" * 32), "no longer secret", id="a-private-jwk"),
        pytest.param(_with(x509.BasicConstraints(ca=True, path_length=None)), "authority", id="an-authority"),
        pytest.param(_with(usage(sign=False)), "digitalSignature", id="not-for-signatures"),
        pytest.param(b'{"keys": []}', "no key", id="an-empty-set"),
        pytest.param(b'{"keys": {}}', "list", id="no-set"),
        pytest.param(json.dumps({"keys": [MEMBERS] * 257}).encode(), "more than 256", id="a-set-too-long"),
        pytest.param(b"", "JSON object", id="nothing"),
        pytest.param(b"[" * 100_000, "JSON object", id="deep"),
        pytest.param(b" " * (MAX_FILE_BYTES + 1), "longer", id="a-file-too-long"),
        pytest.param(b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n", "no public key", id="broken-pem"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be", id="broken-der"),
    ],
)
def test_what_is_no_usable_key_is_refused_with_a_reason(content: bytes, says: str) -> None:
    with pytest.raises(InvalidKeyError, match=says):
        read_public_keys(content)


def test_a_certificate_of_a_version_that_does_not_exist_is_refused() -> None:
    der = x509.load_pem_x509_certificate(certificate(RSA)).public_bytes(serialization.Encoding.DER)
    version = b"\xa0\x03\x02\x01"
    assert der.count(version + b"\x02") == 1
    with pytest.raises(InvalidKeyError, match="can't be read"):
        read_public_keys(_as_pem("CERTIFICATE", der.replace(version + b"\x02", version + b"\x57")), Algorithm.PS256)


def test_a_certificate_with_any_byte_changed_is_read_or_refused() -> None:
    good = certificate(ec.generate_private_key(ec.SECP256R1()))
    der = base64.b64decode(b"".join(good.splitlines()[1:-1]))
    refused = 0
    for place in range(len(der)):
        changed = base64.encodebytes(der[:place] + bytes([der[place] ^ 0x01]) + der[place + 1 :])
        try:
            read_public_keys(b"-----BEGIN CERTIFICATE-----\n" + changed + b"-----END CERTIFICATE-----\n")
        except InvalidKeyError:
            refused += 1
    assert refused


def test_a_certificate_for_signatures_is_taken() -> None:
    assert read_public_keys(_with(usage(sign=True)), Algorithm.PS256)


def hostile_files() -> list[Path]:
    folder = SHARED / "data" / "hostile"
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _as_pem(label: str, content: bytes) -> bytes:
    body = base64.encodebytes(content)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), body, label.encode())


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "key": lambda content: content,
    "jwk": lambda content: json.dumps(MEMBERS | {"x": content.decode("latin-1")}).encode(),
    "kid": lambda content: json.dumps(MEMBERS | {"kid": content.decode("latin-1")[:10_000], "x": "!"}).encode(),
    "jwks": lambda content: b'{"keys": [' + content + b"]}",
    "certificate": lambda content: _as_pem("CERTIFICATE", content),
    "public-key": lambda content: _as_pem("PUBLIC KEY", content),
    "pem-text": lambda content: b"-----BEGIN CERTIFICATE-----\n" + content,
}


@pytest.mark.parametrize("wrap", list(WRAPPINGS))
def test_no_hostile_file_is_a_key_or_does_harm(wrap: str) -> None:
    shared("data/hostile")
    files = hostile_files()
    assert len(files) > 300
    tracemalloc.start()
    try:
        for path in files:
            content = WRAPPINGS[wrap](path.read_bytes())
            allowed = 40 * min(len(content), MAX_FILE_BYTES) + (1 << 20)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with pytest.raises(InvalidKeyError) as refused:
                read_public_keys(content, Algorithm.PS256)
            _, peak = tracemalloc.get_traced_memory()
            assert len(str(refused.value)) < 200, path
            assert peak - before < allowed, path
    finally:
        tracemalloc.stop()
