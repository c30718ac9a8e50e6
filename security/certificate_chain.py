"""Chains of X.509 certificates, from a producer's own to a trust anchor, verified after RFC 5280.

The path validation (signatures, name constraints, path lengths, policies) is pyhanko-certvalidator's, which passes
NIST's PKITS; it is given everything and fetches nothing. What it asks of SM2 is answered by security.path_signatures.
Every certificate goes through `cryptography`'s strict parser first. CRLs are security.revocation_list, at an import as
later: a list must not mean two things.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from schemas.errors import ConfigurationError
from security.algorithms import BadSignature
from security.libcrypto import LibcryptoMissing
from security.public_key import InvalidKeyError
from security.revocation_list import CrlRefused, is_authority, verify_crl
from security.sm2_certificate import see_signed, signed_parts, sm2_key

MAX_CHAIN: Final = 10
"""Certificates between a producer's and the anchor, both counted. Real ones have three or four."""

MAX_ANCHORS: Final = 100
MAX_BUNDLE_BYTES: Final = 1 << 20

_PEM: Final = b"-----BEGIN CERTIFICATE-----"
_SECOND: Final = dt.timedelta(seconds=1)
_LIBRARY_PREFIX: Final = "The path could not be validated because "
_LIBRARY_NAME: Final = re.compile(r"(the )?(intermediate certificate \d+|end-entity certificate|trust anchor)('s)?")


class ChainRefused(InvalidKeyError):
    """A certificate can't be traced to a trust anchor.

    Attributes:
        position: Of the certificate at fault in its file, from 1; None for a trust anchor.
        serial: Its serial number.
    """

    def __init__(self, position: int | None, serial: int, why: str) -> None:
        which = "the trust anchor" if position is None else f"certificate {position}"
        super().__init__(f"{which} (serial {serial:X}): {why}")
        self.position = position
        self.serial = serial


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """A verified chain.

    Attributes:
        certificates: The producer's first, each followed by its issuer's, the trust anchor last.
    """

    certificates: tuple[x509.Certificate, ...]

    @property
    def not_before(self) -> dt.datetime:
        """When the last of them begins to be valid."""
        return max(each.not_valid_before_utc for each in self.certificates)

    @property
    def not_after(self) -> dt.datetime:
        """When the first of them is not valid any more: the last second of a certificate belongs to it."""
        return min(each.not_valid_after_utc for each in self.certificates) + _SECOND


def read_certificates(content: bytes, what: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, or the one of a DER file, in their order.

    Args:
        what: What the file is, for errors.

    Raises:
        InvalidKeyError: It is neither, or one of them can't be read or used.
    """
    if len(content) > MAX_BUNDLE_BYTES:
        raise InvalidKeyError(f"{what} is longer than {MAX_BUNDLE_BYTES} bytes")
    try:
        if _PEM in content:
            found = x509.load_pem_x509_certificates(content)
        else:
            found = [x509.load_der_x509_certificate(content)]
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        raise InvalidKeyError(f"{what} holds something that is no X.509 certificate, in PEM or DER") from exc
    if len(found) > MAX_ANCHORS:
        raise InvalidKeyError(f"{what} holds more than {MAX_ANCHORS} certificates")
    for position, each in enumerate(found, 1):
        _see_usable(position, each)
    return tuple(found)


async def verify_chain(
    certificates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList],
    at: dt.datetime,
) -> CertificateChain:
    """Verify a producer's certificate as of a moment.

    Args:
        certificates: The producer's first, each followed by its issuer's; the anchor may be there or be left out.
        anchors: Whom we trust; their own path lengths and name constraints count.
        crls: When there is any, each certificate below the anchor needs one that covers it.

    Raises:
        ChainRefused: Which certificate is at fault, and why.
        ConfigurationError: The extra that does it is not installed.
        LibcryptoMissing: An authority's key is on SM2, and this machine's OpenSSL can't do it.
    """
    path = _path(certificates, anchors)
    *below, anchor = path
    if not anchor.not_valid_before_utc <= at < anchor.not_valid_after_utc + _SECOND:
        raise ChainRefused(None, anchor.serial_number, _outside_validity(anchor, at))
    if not is_authority(anchor):
        raise ChainRefused(None, anchor.serial_number, "it is not an authority's (basic constraints)")
    if not below:
        raise ChainRefused(1, anchor.serial_number, "it is a trust anchor itself; a producer signs with one below it")
    await _see_valid(path, at)
    chain = CertificateChain(tuple(path))
    see_not_revoked(chain, crls, at)
    return chain


def see_not_revoked(chain: CertificateChain, crls: Sequence[x509.CertificateRevocationList], at: dt.datetime) -> None:
    """See that, when there is any list, each certificate below the anchor is covered by one and not revoked.

    Raises:
        ChainRefused: Which certificate is at fault, and why.
    """
    if crls:
        path = chain.certificates
        for position in range(len(path) - 1, 0, -1):
            _see_not_revoked(position, path[position - 1], path[position], crls, at)


@dataclass(frozen=True, slots=True)
class _Fault:
    leaf: bool
    why: str


def _path(certificates: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The chain up to the first certificate that is an anchor, or whose issuer is one."""
    if not certificates:
        raise InvalidKeyError("there is no certificate in the file")
    known = set(anchors)
    path: list[x509.Certificate] = []
    for position, each in enumerate(certificates, 1):
        if position > MAX_CHAIN:
            raise ChainRefused(position, each.serial_number, f"a chain has at most {MAX_CHAIN} certificates")
        if path and path[-1].issuer != each.subject:
            why = f"it is not by whom certificate {position - 1} names as its issuer; put each before its issuer's"
            raise ChainRefused(position, each.serial_number, why)
        path.append(each)
        if each in known:
            return path
    last = path[-1]
    issuers = [anchor for anchor in anchors if anchor.subject == last.issuer]
    if not issuers:
        raise ChainRefused(len(path), last.serial_number, "its issuer is none of the trust anchors and not in the file")
    return [*path, next((anchor for anchor in issuers if _signed_by(last, anchor)), issuers[0])]


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        key = sm2_key(issuer)
        if key is None:
            certificate.verify_directly_issued_by(issuer)
        else:
            see_signed(certificate, key)
    except Exception:  # it only chooses between anchors of one name: the path is verified by the library
        return False
    return True


async def _see_valid(path: Sequence[x509.Certificate], at: dt.datetime) -> None:
    fault = await _fault(path, at)
    if fault is None:
        return
    position = 1 if fault.leaf else 2
    # What the library says of a whole path does not tell where: the shortest path that fails does.
    for first in range(len(path) - 2, 0, -1):
        shorter = await _fault(path[first:], at)
        if shorter is not None:
            fault, position = shorter, first + 1 if shorter.leaf else first + 2
            break
    raise ChainRefused(position if position < len(path) else None, path[position - 1].serial_number, fault.why)


async def _fault(path: Sequence[x509.Certificate], at: dt.datetime) -> _Fault | None:
    """What is wrong with a path, or nothing."""
    try:
        from asn1crypto.x509 import Certificate
        from pyhanko_certvalidator import errors
        from pyhanko_certvalidator.authority import CertTrustAnchor
        from pyhanko_certvalidator.context import ValidationContext
        from pyhanko_certvalidator.path import ValidationPath
        from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy
        from pyhanko_certvalidator.validate import async_validate_path

        from security.path_signatures import AlgorithmMismatch, PathSignatures
    except ImportError as exc:
        raise ConfigurationError("chains of certificates need the extra pki: pip install sealstream[pki]") from exc
    leaf, *between, anchor = [Certificate.load(each.public_bytes(Encoding.DER), strict=True) for each in path]
    trusted = CertTrustAnchor(anchor, derive_default_quals_from_cert=True)
    try:
        context = ValidationContext(
            trust_roots=[trusted],
            other_certs=between,
            moment=at,
            revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
            time_tolerance=dt.timedelta(0),
            allow_fetching=False,
            signature_validator=PathSignatures(),
        )
        await async_validate_path(context, ValidationPath(trusted, between[::-1], leaf))
    except errors.PathValidationError as exc:
        return _Fault(exc.is_ee_cert, _library_text(exc))
    except AlgorithmMismatch as exc:
        return _Fault(True, str(exc))
    except LibcryptoMissing:
        raise
    except Exception as exc:  # whatever a library can't judge is refused
        return _Fault(True, f"it has something that can't be judged ({type(exc).__name__})")
    return None


def _see_not_revoked(
    position: int,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    at: dt.datetime,
) -> None:
    serial, why = certificate.serial_number, "there is none by its issuer"
    covered = False
    for each in crls:
        if each.issuer != certificate.issuer:
            continue
        try:
            verified = verify_crl(each, [issuer], at)
        except CrlRefused as exc:
            why = str(exc)
            continue
        since = verified.revocations([serial]).get(serial)
        if since is not None and since <= at:
            raise ChainRefused(position, serial, f"its issuer's CRL says that it is revoked from {_utc(since)} on")
        if verified.covers(certificate):
            covered = True
        else:
            why = "its issuer's is for others (issuing distribution point)"
    if not covered:
        raise ChainRefused(position, serial, f"no CRL that counts says whether it is revoked: {why}")


def _library_text(error: Exception) -> str:
    text = str(error.args[0] if error.args else error).removeprefix(_LIBRARY_PREFIX)
    return _LIBRARY_NAME.sub(lambda found: "its" if found[3] else "it", text)


def _outside_validity(certificate: x509.Certificate, at: dt.datetime) -> str:
    if at < certificate.not_valid_before_utc:
        return f"it is not valid until {_utc(certificate.not_valid_before_utc)}"
    return f"it expired {_utc(certificate.not_valid_after_utc)}"


def _utc(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _see_usable(position: int, certificate: x509.Certificate) -> None:
    serial = certificate.serial_number
    try:
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.subject, certificate.issuer
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as exc:
        raise ChainRefused(position, serial, "its names, times or extensions are not in their form") from exc
    try:
        signed_parts(certificate)
        if sm2_key(certificate) is None:
            certificate.public_key()
    except BadSignature as exc:
        raise ChainRefused(position, serial, "its signature does not end with a whole byte") from exc
    except InvalidKeyError as exc:
        raise ChainRefused(position, serial, str(exc)) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ChainRefused(position, serial, "its key is none that chains are verified with") from exc
