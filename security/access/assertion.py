"""What a person signs with their own key, and checking it: by a key file, or by a browser's authenticator (WebAuthn).

What is signed names the log it goes to and everything in the leaf's `access` but the signature itself, so a signature
can be moved nowhere: not to another log, request, step or answer. Nobody but its key's holder can make one, whatever
they may write into the database.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.errors import VerificationFailed
from schemas.leaf import AccessChange
from security.algorithms import BadSignature
from security.jwk import Jwk, encode_base64url, public_jwk, thumbprint
from security.public_key import InvalidKeyError, KeyKind
from security.signatures import verifier
from security.signing import Signer

MAX_ASSERTION: Final = 4_096

_CONTEXT: Final = b"sealstream/access/v1\n"
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_USER_PRESENT, _USER_VERIFIED = 0x01, 0x04


class BadAssertion(VerificationFailed):
    """An act is not signed by the key that it names, or by nobody whose key we know."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom a browser's authenticator signs for.

    Attributes:
        rp_id: The domain of the console.
        origins: From where it is opened.
    """

    rp_id: str
    origins: Sequence[str]


class WebAuthnAssertion(msgspec.Struct, frozen=True):
    """What an authenticator gives: base64url of the three parts, as the browser has them."""

    authenticator_data: str
    client_data: str
    signature: str


class _ClientData(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    challenge: str
    origin: str
    cross_origin: bool = False


def statement(origin: str, change: AccessChange) -> bytes:
    """What is signed.

    Args:
        origin: Of the log that gets the leaf.
    """
    unsigned = msgspec.structs.replace(change, assertion=None)
    return _CONTEXT + origin.encode() + b"\n" + _ENCODER.encode(unsigned)


def challenge(origin: str, change: AccessChange) -> bytes:
    """What an authenticator is asked to sign: the digest of the statement, 32 bytes."""
    return hashlib.sha256(statement(origin, change)).digest()


def signed(origin: str, change: AccessChange, signer: Signer) -> AccessChange:
    """The act, signed by a key file."""
    named = msgspec.structs.replace(change, key=thumbprint(signer.public_key))
    signature = signer.sign(statement(origin, named))
    return msgspec.structs.replace(named, assertion=base64.b64encode(signature).decode())


def verify_assertion(
    origin: str, change: AccessChange, members: Mapping[str, object], party: RelyingParty | None = None
) -> None:
    """See that an act is signed by a key.

    Args:
        members: The JWK of who shall have signed.
        party: Whose console an authenticator may have signed for; None where any is taken: an audit has the leaf alone.

    Raises:
        BadAssertion: It is not.
    """
    text = change.assertion
    if text is None or len(text) > MAX_ASSERTION:
        raise BadAssertion("an act of access control is not signed")
    try:
        key = public_jwk(members)
        if change.key != thumbprint(key.public_key):
            raise BadAssertion("an act is signed by another key than its person's")
        if text.startswith("{"):
            _verify_webauthn(challenge(origin, change), key, text, party)
        else:
            verifier(key)(statement(origin, change), base64.b64decode(text, validate=True))
    except BadSignature as exc:
        raise BadAssertion("the signature under an act of access control does not verify") from exc
    except (InvalidKeyError, binascii.Error, msgspec.MsgspecError, ValueError) as exc:
        raise BadAssertion("what stands under an act of access control is no signature") from exc


def _verify_webauthn(asked: bytes, key: Jwk, text: str, party: RelyingParty | None) -> None:
    """Web Authentication, level 3, section 7.2, for what an approval needs of it."""
    found = msgspec.json.decode(text, type=WebAuthnAssertion)
    client, data = _bytes(found.client_data), _bytes(found.authenticator_data)
    said = msgspec.json.decode(client, type=_ClientData)
    if said.type != "webauthn.get" or said.cross_origin or said.challenge != encode_base64url(asked):
        raise BadAssertion("an authenticator signed something else than this act")
    if len(data) < 37 or data[32] & (_USER_PRESENT | _USER_VERIFIED) != _USER_PRESENT | _USER_VERIFIED:
        raise BadAssertion("an authenticator did not see to it that its owner was there")
    if party is not None and (
        said.origin not in party.origins or data[:32] != hashlib.sha256(party.rp_id.encode()).digest()
    ):
        raise BadAssertion("an authenticator signed for another site")
    message, signature = data + hashlib.sha256(client).digest(), _bytes(found.signature)
    if key.public_key.kind is not KeyKind.ED25519:
        # Authenticators write ECDSA in DER, whatever the key's record says of key files.
        key = public_jwk({**key.to_members(), "signature_encoding": "der"})
    verifier(key)(message, signature)


def _bytes(text: str) -> bytes:
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(value) != text:
        raise BadAssertion("what stands under an act of access control is no signature")
    return value
