"""Private key files: one JWK each, mode 0600. What the keys sign with is security.signing."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.errors import ConfigurationError
from security.algorithms import DEFAULT_SIGNER_ID, Algorithm
from security.jwk import ALGORITHMS, decode_member, encode_base64url, json_object, key_kind, public_jwk, thumbprint
from security.public_key import RSA_EXPONENT, InvalidKeyError, KeyKind
from security.signing import Ed25519Signer, Es256Signer, Es384Signer, RsaPssSigner, Signer, Sm2Signer

NEW_RSA_BITS = 3_072

_MAX_FILE_BYTES = 16 * 1024
_SECRET_BYTES = {KeyKind.ED25519: 32, KeyKind.P256: 32, KeyKind.P384: 48, KeyKind.SM2: 32}
_RSA_MEMBERS = ("d", "p", "q", "dp", "dq", "qi")


def load_signer(path: Path) -> Signer:
    """Read a private key file. Without a `kid` the key is named by its thumbprint.

    Raises:
        ConfigurationError: The file is missing, is open to others (any mode wider than 0600), or too big.
        InvalidKeyError: It is not a private JWK that we can use, or its public part is not that of its private part.
        LibcryptoMissing: It is an SM2 key, and this machine's OpenSSL can't do SM2.
    """
    try:
        members = json_object(_read_secret(path))
    except InvalidKeyError:
        raise InvalidKeyError(f"{path} is not a JSON Web Key") from None
    kind = key_kind(members)
    if kind is None:
        raise InvalidKeyError(f"{path} is neither an Ed25519, P-256, P-384 or SM2 key nor an RSA key")
    private = {"key_ops", *(_RSA_MEMBERS if kind is KeyKind.RSA else ("d",))}
    record = public_jwk({name: value for name, value in members.items() if name not in private})
    key_id = record.key_id or thumbprint(record.public_key)
    signer = _signer(key_id, record.algorithm, members, record.signer_id)
    if signer.public_key != record.public_key:
        raise InvalidKeyError(f"{path}: the public part does not belong to the private part")
    return signer


def new_private_jwk(
    key_id: str, algorithm: Algorithm, random: Callable[[int], bytes], signer_id: str = DEFAULT_SIGNER_ID
) -> bytes:
    """The content of a private key file for a new key.

    Args:
        key_id: Name of the key.
        algorithm: What it signs with.
        random: Gives that many secret random bytes; an RSA key is made by OpenSSL from its own.
        signer_id: The ID of an SM2 signer.
    """
    kind = next(kind for kind, algorithms in ALGORITHMS.items() if algorithm in algorithms)
    if kind is KeyKind.RSA:
        return _content(key_id, algorithm, _rsa_members(rsa.generate_private_key(RSA_EXPONENT, NEW_RSA_BITS)))
    while True:
        try:
            return private_jwk(key_id, algorithm, random(_SECRET_BYTES[kind]), signer_id)
        except InvalidKeyError:  # not less than the group order: one in 2^32
            continue


def private_jwk(key_id: str, algorithm: Algorithm, secret: bytes, signer_id: str = DEFAULT_SIGNER_ID) -> bytes:
    """The content of a private key file for a key on a curve.

    Raises:
        InvalidKeyError: The secret is no private key on that curve.
    """
    return _content(key_id, algorithm, {"d": encode_base64url(secret)}, signer_id)


def save_private_jwk(path: Path, content: bytes) -> None:
    """Write a private key file that nobody else can read, never over an existing one.

    Raises:
        ConfigurationError: The file exists or can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise ConfigurationError(f"can't write the key file {path}: {exc.strerror}") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _read_secret(path: Path) -> bytes:
    try:
        # Non-blocking, so that a pipe in the file's place can't hang us; the mode is that of what was opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise ConfigurationError(f"can't read the key file {path}: {exc.strerror}") from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            raise ConfigurationError(f"the key file {path} is not a file of at most {_MAX_FILE_BYTES} bytes")
        if status.st_mode & 0o177:
            raise ConfigurationError(f"the key file {path} is open to others; run: chmod 600 {path}")
        return os.read(descriptor, _MAX_FILE_BYTES)
    finally:
        os.close(descriptor)


def _content(
    key_id: str, algorithm: Algorithm, private: Mapping[str, str], signer_id: str = DEFAULT_SIGNER_ID
) -> bytes:
    signer = _signer(key_id, algorithm, private, signer_id)
    return msgspec.json.encode(signer.jwk.to_members() | dict(private) | {"use": "sig"})


def _signer(key_id: str, algorithm: Algorithm, members: Mapping[str, object], signer_id: str | None) -> Signer:
    match algorithm:
        case Algorithm.ED25519:
            return Ed25519Signer(key_id, decode_member(members, "d", 32))
        case Algorithm.ES256:
            return Es256Signer(key_id, decode_member(members, "d", 32))
        case Algorithm.ES384:
            return Es384Signer(key_id, decode_member(members, "d", 48))
        case Algorithm.SM2:
            return Sm2Signer(key_id, decode_member(members, "d", 32), signer_id or DEFAULT_SIGNER_ID)
        case Algorithm.PS256 | Algorithm.PS384 | Algorithm.PS512:
            return RsaPssSigner(key_id, _rsa_key(members), algorithm)


def _rsa_key(members: Mapping[str, object]) -> rsa.RSAPrivateKey:
    d, p, q, dp, dq, qi = (int.from_bytes(decode_member(members, name)) for name in _RSA_MEMBERS)
    try:
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(RSA_EXPONENT, p * q)).private_key()
    except ValueError:
        raise InvalidKeyError("the numbers of a private RSA key don't belong together") from None


def _rsa_members(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.private_numbers()
    values = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    return {
        name: encode_base64url(value.to_bytes((value.bit_length() + 7) // 8))
        for name, value in zip(_RSA_MEMBERS, values, strict=True)
    }
