"""The key that signs a log's notices, and the certificate by which a subscriber comes to trust it.

The certificate is a signed note by the log's own key, which a subscriber holds already to check checkpoints and proofs:

    sealstream/notices/v1
    <the log's origin>
    <the notice key, base64>

    — <origin> <signature>

Its first line keeps it apart from every checkpoint. Making notices is agents.relay.notices.
"""

from base64 import b64encode
from typing import Final

from schemas.errors import VerificationFailed
from security.key_registry import SigningKey
from security.note import Signer as NoteSigner
from security.note import Verifier, decode_base64, sign_note, verify_note
from security.public_key import InvalidKeyError, KeyKind, PublicKey
from security.signatures import Algorithm
from security.signing import Ed25519Signer

_CONTEXT: Final = "sealstream/notices/v1"
_TYPES: Final = ("io.sealstream.*",)


class BadNoticeCertificate(VerificationFailed):
    """A note that is no certificate of a notice key by this log."""


def notice_signer(origin: str, seed: bytes) -> Ed25519Signer:
    """Signs the notices of one log.

    Args:
        origin: The log's origin, which is the notices' source.
        seed: 32 secret bytes; not the log's own, so that whoever relays can't sign checkpoints.
    """
    return Ed25519Signer(_key_id(origin), seed)


def certify_notice_key(log: NoteSigner, public_key: PublicKey) -> bytes:
    """The certificate of a log's notice key."""
    key = b64encode(public_key.material).decode()
    return sign_note(f"{_CONTEXT}\n{log.verifier.name}\n{key}\n", [log])


def trusted_notice_key(certificate: bytes, log: Verifier) -> SigningKey:
    """What a subscriber registers to verify notices, once it trusts the log's key.

    Returns:
        A key for `KeyRegistry`, bound to the log's origin and to the types of notices.

    Raises:
        VerificationFailed: The log did not sign this, or it is no certificate of this log's.
    """
    lines = verify_note(certificate, [log]).text.split("\n")
    if len(lines) != 4 or lines[:2] != [_CONTEXT, log.name]:
        raise BadNoticeCertificate(f"the note is no certificate of a notice key of {log.name}")
    try:
        public_key = PublicKey(KeyKind.ED25519, decode_base64(lines[2]) or b"")
    except InvalidKeyError as exc:
        raise BadNoticeCertificate(f"the certificate by {log.name} holds no usable key") from exc
    return SigningKey(
        key_id=_key_id(log.name),
        algorithm=Algorithm.ED25519,
        public_key=public_key,
        tenant=log.name,
        domain=log.name,
        sources=(log.name,),
        types=_TYPES,
    )


def _key_id(origin: str) -> str:
    return f"{origin}#notices"
