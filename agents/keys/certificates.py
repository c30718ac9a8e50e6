"""Certificates of producers' keys: the chain that an import offers, and what a revocation list says of registered keys.

Both within a change of the registry, which makes the leaves (agents.keys.registrar). Verifying them is
security.certificate_chain and security.revocation_list. That a certificate is good says who holds the key, not for
which sources it may sign: that is what an operator binds it to.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agents.platform.knowledge import signing_key
from schemas.errors import ConfigurationError
from security.certificate_chain import CertificateChain, see_not_revoked, verify_chain
from security.key_import import certificate_key
from security.revocation_list import CrlRefused, RevocationList, spki, verify_crl
from streams.storage import certificates as storage
from streams.storage.certificates import RevocationListRow, digest_of
from streams.storage.database import Connection
from streams.storage.keys import SigningKeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateOffer:
    """What shall vouch for a key.

    Attributes:
        certificates: The key's own first, each followed by its issuer's.
        anchors: Whom the operator trusts.
        crls: Revocation lists that came along.
    """

    certificates: Sequence[x509.Certificate]
    anchors: Sequence[x509.Certificate]
    crls: Sequence[x509.CertificateRevocationList] = ()


@dataclass(frozen=True, slots=True)
class TakenList:
    """A revocation list that is held from now on.

    Attributes:
        digest: SHA-256 of it.
        revoked: Keys that it revokes, and from when on; not those that are revoked from as early a moment already.
    """

    digest: bytes
    revoked: Sequence[tuple[SigningKeyRow, dt.datetime]]


async def verified(offer: CertificateOffer | None, at: dt.datetime) -> CertificateChain | None:
    """The chain that an offer makes, by the lists that came along. Takes long: outside of the change's transaction.

    Raises:
        ChainRefused: It does not lead to an anchor.
    """
    return None if offer is None else await verify_chain(offer.certificates, offer.anchors, offer.crls, at)


async def admitted(
    connection: Connection,
    row: SigningKeyRow,
    chain: CertificateChain | None,
    offer: CertificateOffer | None,
    moment: dt.datetime,
) -> SigningKeyRow:
    """A key to be registered, within the validity of the chain that vouches for it; the chain is stored.

    Raises:
        ChainRefused: A list that is held or offered revokes it, or none covers it.
        ConfigurationError: The certificate is another key's, or validity and chain don't overlap.
    """
    if chain is None or offer is None:
        return row
    issuers = {each.issuer.rfc4514_string() for each in chain.certificates}
    held = [x509.load_der_x509_crl(each.der) for each in await storage.held_by_issuers(connection, issuers)]
    see_not_revoked(chain, [*offer.crls, *held], moment)
    key = signing_key(row)
    if certificate_key(chain.certificates[0], key.algorithm).public_key != key.public_key:
        raise ConfigurationError(f"key {row.key_id!r} is not the one in its certificate")
    ders = [each.public_bytes(Encoding.DER) for each in chain.certificates]
    await storage.insert_certificates(connection, ders)
    return _within(replace(row, chain=tuple(map(digest_of, ders))), chain)


async def take_list(
    connection: Connection, keys: Sequence[SigningKeyRow], crl: x509.CertificateRevocationList, moment: dt.datetime
) -> TakenList:
    """Verify a revocation list and hold it from now on.

    Args:
        keys: All that are registered.

    Raises:
        CrlRefused: It does not count, or a newer one is held.
    """
    stored = await storage.read_certificates(connection, {digest for row in keys for digest in row.chain})
    certificates = {digest: x509.load_der_x509_certificate(der) for digest, der in stored.items()}
    found_list = verify_crl(crl, list(certificates.values()), moment)
    issuer = crl.issuer.rfc4514_string()
    for held in await storage.held_by_issuers(connection, [issuer]):
        if held.scope == found_list.scope and found_list.older_than(x509.load_der_x509_crl(held.der)):
            raise CrlRefused(f"the CRL is older than the one held, of {held.this_update:%Y-%m-%dT%H:%M:%SZ}")
    row = RevocationListRow(
        scope=found_list.scope,
        issuer=issuer,
        this_update=found_list.this_update,
        next_update=found_list.next_update,
        der=found_list.der,
    )
    await storage.insert_revocation_list(connection, row)
    found = []
    for key in keys:
        since = _revoked_since(found_list, [certificates[each] for each in key.chain if each in certificates])
        if since is not None and (key.revoked_at is None or since < key.revoked_at):
            found.append((key, since))
    return TakenList(digest_of(found_list.der), found)


def _revoked_since(crl: RevocationList, chain: Sequence[x509.Certificate]) -> dt.datetime | None:
    """The earliest moment from which on the list revokes a certificate of a chain."""
    # A serial number is unique for its issuer: the name alone does not say who that is.
    serials = [
        certificate.serial_number
        for certificate, issuer in zip(chain, [*chain[1:], *chain[-1:]], strict=True)
        if certificate.issuer == crl.parsed.issuer and spki(issuer) == crl.signer
    ]
    return min(crl.revocations(serials).values(), default=None)


def _within(row: SigningKeyRow, chain: CertificateChain) -> SigningKeyRow:
    start = max(row.not_before or chain.not_before, chain.not_before)
    end = min(row.not_after or chain.not_after, chain.not_after)
    if end <= start:
        raise ConfigurationError(f"key {row.key_id!r}: its certificates are not valid at any moment of its validity")
    return replace(row, not_before=start, not_after=end)
