"""A government's PKI in small, for tests: authorities below authorities, producers' certificates, CRLs."""

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from security.signing import Sm2Signer
from tests.support.sm2_x509 import PLACEHOLDER, USUAL, Form, rewritten, subject_info

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | Sm2Signer
Extension = tuple[x509.ExtensionType, bool]

DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


def name(common: str, organisation: str = "Treasury", country: str = "NL") -> x509.Name:
    """A subject as an authority of a state writes it."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def directory(organisation: str | None = None, country: str = "NL") -> x509.DirectoryName:
    """The base of a subtree of directory names."""
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, country)]
    if organisation is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.DirectoryName(x509.Name(attributes))


def key_usage(*, sign: bool = False, certificates: bool = False, crls: bool = False) -> x509.KeyUsage:
    """What a key is for."""
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=crls,
        encipher_only=False,
        decipher_only=False,
    )


def new_key(kind: str = "p256") -> PrivateKey:
    """A key pair."""
    match kind:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa":
            return rsa.generate_private_key(65_537, 2_048)
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "sm2":
            return Sm2Signer("sm2", secrets.token_bytes(32))
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a certificate, and the chain below the root."""

    key: PrivateKey
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The holder's certificate and the authorities above, without the root."""
        return (self.certificate, *self.above)

    @property
    def pem(self) -> bytes:
        """The chain as a file."""
        return pem(self.chain)

    @property
    def serial(self) -> int:
        """Of the certificate."""
        return self.certificate.serial_number

    def issue(
        self,
        subject: x509.Name,
        *,
        ca: bool = False,
        path_length: int | None = None,
        kind: str = "p256",
        extensions: Sequence[Extension] = (),
        usage: x509.KeyUsage | None = None,
        not_before: dt.datetime = NOW - DAY,
        not_after: dt.datetime = NOW + 30 * DAY,
        signing_key: PrivateKey | None = None,
        digest: hashes.HashAlgorithm | None = None,
        form: Form = USUAL,
    ) -> "Holder":
        """A certificate of an authority or a producer; by `signing_key`, one that is not the issuer's."""
        key = new_key(kind)
        usage = usage or (key_usage(certificates=True, crls=True) if ca else key_usage(sign=True))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public(key))
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), True)
            .add_extension(usage, True)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        certificate = sign(builder, signing_key or self.key, digest, subject=key, form=form)
        root = self.certificate.issuer == self.certificate.subject and not self.above
        return Holder(key, certificate, () if root else self.chain)

    def crl(
        self,
        revoked: Sequence[x509.RevokedCertificate] = (),
        *,
        number: int | None = 1,
        this_update: dt.datetime = NOW - DAY,
        next_update: dt.datetime = NOW + DAY,
        extensions: Sequence[Extension] = (),
        signing_key: PrivateKey | None = None,
        form: Form = USUAL,
    ) -> x509.CertificateRevocationList:
        """A revocation list of this authority."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(this_update)
            .next_update(next_update)
        )
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        for entry in revoked:
            builder = builder.add_revoked_certificate(entry)
        return sign(builder, signing_key or self.key, form=form)


def root(
    common: str = "State Root", *, kind: str = "p256", extensions: Sequence[Extension] = (), **more: object
) -> Holder:
    """A self-signed authority."""
    key = more.get("key") or new_key(kind)
    # Only the name of this certificate is used: it issues the root's own, over the same key.
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(name(common))
        .public_key(public(key))
        .serial_number(x509.random_serial_number())
        .not_valid_before(more.get("not_before", NOW - 10 * DAY))  # type: ignore[arg-type]
        .not_valid_after(more.get("not_after", NOW + 1_000 * DAY))  # type: ignore[arg-type]
        .add_extension(x509.BasicConstraints(ca=bool(more.get("ca", True)), path_length=None), True)
        .add_extension(key_usage(certificates=True, crls=True), True)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Holder(key, sign(builder, key, subject=key))


def public(key):  # type: ignore[no-untyped-def]
    """The public key as a builder takes it; something else stands for an SM2 key until all is rewritten."""
    return PLACEHOLDER.public_key() if isinstance(key, Sm2Signer) else key.public_key()


def sign(builder, key, digest=None, *, subject=None, form=USUAL):  # type: ignore[no-untyped-def]
    """Sign a certificate or a list, which is rewritten where SM2 is in it."""
    stand_in = PLACEHOLDER if isinstance(key, Sm2Signer) else key
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    made = builder.sign(stand_in, digest)
    info = subject_info(subject) if isinstance(subject, Sm2Signer) else None
    if stand_in is key and info is None and form == USUAL:
        return made
    return rewritten(made, key, info, form)


def revoked(
    serial: int, at: dt.datetime, *, invalid_since: dt.datetime | None = None, extensions: Sequence[Extension] = ()
) -> x509.RevokedCertificate:
    """An entry of a list."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    if invalid_since is not None:
        builder = builder.add_extension(x509.InvalidityDate(invalid_since), False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Certificates as one PEM file."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def unknown(oid: str = "1.2.3.4.5") -> x509.UnrecognizedExtension:
    """An extension that nobody knows."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x05\x00")
