"""Revocation lists of X.509 (RFC 5280, section 5): parsed, verified with their issuer's certificate, looked up.

Whole lists of one issuer alone: no deltas, none on behalf of others, none for some reasons only. `cryptography` parses
them, verifies the signature (but SM2's: security.sm2_certificate) and finds a serial number without making an object of
each entry. What a list means for a chain as it is imported is security.certificate_chain.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas.errors import ConfigurationError
from security.algorithms import BadSignature
from security.sm2 import PUBLIC_HEAD
from security.sm2_certificate import see_signed, sm2_key

MAX_CRL_BYTES: Final = 16 << 20
"""Some 400,000 entries."""

_PEM: Final = b"-----BEGIN X509 CRL-----"
_KNOWN: Final = (
    x509.AuthorityKeyIdentifier,
    x509.CRLNumber,
    x509.IssuerAlternativeName,
    x509.AuthorityInformationAccess,
    x509.FreshestCRL,
    x509.IssuingDistributionPoint,
)
_KNOWN_OF_ENTRIES: Final = (x509.CRLReason, x509.InvalidityDate)


_MALFORMED: Final = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


class CrlRefused(ConfigurationError):
    """A certificate revocation list can't be used."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list whose signature held.

    Attributes:
        parsed: The list.
        scope: Digest of whose it is: the issuer's name and key, and its distribution point. A newer list replaces an
            older one of the same scope.
        signer: The issuer's public key (SubjectPublicKeyInfo in DER).
        this_update: When it was issued.
        next_update: From when on it is out of date.
    """

    parsed: x509.CertificateRevocationList
    scope: bytes
    signer: bytes
    this_update: dt.datetime
    next_update: dt.datetime

    @property
    def der(self) -> bytes:
        """Its bytes."""
        return self.parsed.public_bytes(Encoding.DER)

    def older_than(self, other: x509.CertificateRevocationList) -> bool:
        """Whether another list of the same scope was issued later."""
        number, others = _number(self.parsed), _number(other)
        if number is not None and others is not None and number < others:
            return True
        return self.this_update < other.last_update_utc

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether the list would name this certificate of its issuer if it were revoked (RFC 5280, 6.3.3 b 2)."""
        try:
            point = self.parsed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        except x509.ExtensionNotFound:
            return True
        if point.only_contains_ca_certs or point.only_contains_user_certs:
            authority = is_authority(certificate)
            if authority is not point.only_contains_ca_certs:
                return False
        return point.full_name is None or not set(point.full_name).isdisjoint(_points_of(certificate))

    def revocations(self, serials: Collection[int]) -> Mapping[int, dt.datetime]:
        """From when on those of these serial numbers that it lists are revoked.

        The earlier of revocation date and invalidity date. A certificate on hold is listed like any other.
        """
        found = {}
        for serial in serials:
            entry = self.parsed.get_revoked_certificate_by_serial_number(serial)
            if entry is not None:
                found[serial] = _effective(entry)
        return found


def read_crl(content: bytes) -> x509.CertificateRevocationList:
    """The list in a file, PEM or DER.

    Raises:
        CrlRefused: It is none, too long, or an entry has something that we don't process.
    """
    if len(content) > MAX_CRL_BYTES:
        raise CrlRefused(f"a CRL is longer than {MAX_CRL_BYTES} bytes")
    try:
        pem = content.lstrip().startswith(_PEM)
        crl = x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content)
        # Parsed only when asked for.
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.extensions
        _see_entries(crl)
    except _MALFORMED as exc:
        raise CrlRefused("the file is no X.509 CRL, in PEM or DER") from exc
    return crl


def verify_crl(
    crl: x509.CertificateRevocationList, issuers: Collection[x509.Certificate], at: dt.datetime
) -> RevocationList:
    """Verify a list as of a moment.

    Args:
        crl: By `read_crl`, which has looked at each entry: that takes long, and this does not.
        issuers: Certificates that are trusted; the list must be by the subject and the key of one of them.

    Raises:
        CrlRefused: It is nobody's of them, not current, or of a kind or with extensions that we don't process.
        LibcryptoMissing: Its issuer's key is on SM2, and this machine's OpenSSL can't do it.
    """
    named = [each for each in issuers if each.subject == crl.issuer]
    if not named:
        raise CrlRefused(
            "the CRL's issuer is in no registered key's chain; import a key of theirs with its chain first"
        )
    allowed = [each for each in named if _may_sign_crls(each)]
    if not allowed:
        raise CrlRefused("the CRL's issuer may not sign CRLs (key usage without cRLSign)")
    signer = next((each for each in allowed if _signed(crl, each)), None)
    if signer is None:
        raise CrlRefused("the CRL's signature is not by the key of the issuer that it names")
    try:
        point = _point(crl)
    except _MALFORMED as exc:
        raise CrlRefused("the CRL's extensions are not in their form") from exc
    this_update, next_update = crl.last_update_utc, crl.next_update_utc
    if next_update is None:
        raise CrlRefused("the CRL does not say when the next one comes (nextUpdate)")
    if at < this_update:
        raise CrlRefused(f"the CRL is issued in the future, {this_update:%Y-%m-%d %H:%M:%SZ}; look at the clocks")
    if at >= next_update:
        raise CrlRefused(f"the CRL is out of date since {next_update:%Y-%m-%d %H:%M:%SZ}; get a newer one")
    key = spki(signer)
    scope = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in (crl.issuer.public_bytes(), key, point)))
    return RevocationList(crl, scope.digest(), key, this_update, next_update)


def spki(certificate: x509.Certificate) -> bytes:
    """A certificate's public key, as SubjectPublicKeyInfo in DER."""
    key = sm2_key(certificate)
    if key is not None:
        return PUBLIC_HEAD + key.material
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may be an issuer's (basic constraints)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _points_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    """Where its issuer's own lists are, for all reasons: a point may be for some only, or another issuer's."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return set()
    whole = [point for point in points if point.reasons is None and point.crl_issuer is None]
    return {name for point in whole for name in (point.full_name or ())}


def _signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        key = sm2_key(issuer)
        if key is None:
            return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # X25519 and the like: TypeError
        see_signed(crl, key)
    except (ValueError, TypeError, UnsupportedAlgorithm, BadSignature):
        return False
    return True


def _may_sign_crls(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _point(crl: x509.CertificateRevocationList) -> bytes:
    """The distribution point in bytes; the list is refused if it has anything that changes what its entries mean."""
    point = b""
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            raise CrlRefused("the CRL is a delta; give whole ones")
        if extension.critical and not isinstance(value, _KNOWN):
            raise CrlRefused(f"the CRL has a critical extension that we don't know ({extension.oid.dotted_string})")
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl:
                raise CrlRefused("the CRL lists other issuers' certificates too (indirectCRL); give the issuer's own")
            if value.relative_name is not None:
                raise CrlRefused("the CRL's distribution point is relative to its issuer's name; we need a full one")
            if value.only_some_reasons or value.only_contains_attribute_certs:
                raise CrlRefused("the CRL is for some reasons or for attribute certificates only; give a whole one")
            point = value.public_bytes()
    return point


def _see_entries(crl: x509.CertificateRevocationList) -> None:
    for entry in crl:
        for extension in entry.extensions:
            if extension.critical and not isinstance(extension.value, _KNOWN_OF_ENTRIES):
                oid = extension.oid.dotted_string
                raise CrlRefused(f"an entry of the CRL has a critical extension that we don't know ({oid})")


def _effective(entry: x509.RevokedCertificate) -> dt.datetime:
    try:
        invalid = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except x509.ExtensionNotFound:
        return entry.revocation_date_utc
    return min(entry.revocation_date_utc, invalid)


def _number(crl: x509.CertificateRevocationList) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None
