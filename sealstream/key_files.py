"""Files that a person names on the command line: keys to be registered, certificates and lists that vouch for them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from agents.keys.certificates import CertificateOffer
from schemas.errors import ConfigurationError
from security.algorithms import Algorithm, SignatureEncoding
from security.certificate_chain import MAX_BUNDLE_BYTES, read_certificates
from security.key_import import MAX_FILE_BYTES, FoundKey, read_public_keys
from security.public_key import InvalidKeyError
from security.revocation_list import MAX_CRL_BYTES, CrlRefused, read_crl


def read_key_file(
    path: Path,
    *,
    name: str | None = None,
    algorithm: Algorithm | None = None,
    der: bool = False,
    signer_id: str | None = None,
) -> Sequence[tuple[str, FoundKey]]:
    """The public keys of a file, each with its name.

    Args:
        name: Of its only key; without it each key is named by its `kid`.
        algorithm: What the keys sign with, for files that don't say it.
        der: Their ECDSA or SM2 signatures are DER.
        signer_id: The ID of an SM2 signer, if the file doesn't say it.

    Raises:
        ConfigurationError: The file can't be read.
        InvalidKeyError: It holds no key that we can use, or not the keys that were asked for.
    """
    try:
        found = read_public_keys(read_bounded(path), algorithm)
    except InvalidKeyError as exc:
        raise InvalidKeyError(f"{path}: {exc}") from exc
    if name is not None and len(found) > 1:
        raise InvalidKeyError(f"{path} holds {len(found)} keys; leave out the name, each has its own (kid)")
    named = []
    for each in found:
        key_id = name if name is not None else each.jwk.key_id
        if key_id is None:
            raise InvalidKeyError(f"{path}: a key has no name of its own (kid); say one: keys import NAME {path}")
        jwk = each.jwk
        if der:
            jwk = replace(jwk, encoding=SignatureEncoding.DER)
        if signer_id is not None:
            jwk = replace(jwk, signer_id=signer_id)
        named.append((key_id, replace(each, jwk=jwk)))
    return named


def read_offer(chain: Path, anchors: Path, crls: Sequence[Path]) -> CertificateOffer:
    """The chain of certificates that shall vouch for the key in the first of them.

    Args:
        chain: The producer's certificate, each followed by its issuer's.
        anchors: Whom the operator trusts.

    Raises:
        ConfigurationError: A file can't be read, or is not of its kind.
    """
    return CertificateOffer(
        certificates=read_certificates(read_bounded(chain, MAX_BUNDLE_BYTES), str(chain)),
        anchors=read_certificates(read_bounded(anchors, MAX_BUNDLE_BYTES), str(anchors)),
        crls=[read_crl_file(each) for each in crls],
    )


def read_crl_file(path: Path) -> x509.CertificateRevocationList:
    """The revocation list in a file.

    Raises:
        ConfigurationError: It can't be read, or is none.
    """
    try:
        return read_crl(read_bounded(path, MAX_CRL_BYTES))
    except CrlRefused as exc:
        raise CrlRefused(f"{path}: {exc}") from exc


def read_bounded(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a file, and one more than the limit of one that is too long.

    Raises:
        ConfigurationError: It can't be read, or is no file.
    """
    try:
        if not path.is_file():  # a pipe would hang us
            kind = "it is no regular file" if path.exists() else "there is no such file"
            raise ConfigurationError(f"can't read {path}: {kind}")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as exc:  # a name with a NUL
        fact = exc.strerror if isinstance(exc, OSError) else "it is no path"
        raise ConfigurationError(f"can't read {path}: {fact}") from exc
