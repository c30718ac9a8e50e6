"""C2SP signed notes: a text, and Ed25519 signatures by named keys over it; also the text forms of those keys.

What the text says is not looked at here: checkpoints are security.checkpoint. Two signature types are known, the plain
one (0x01), which logs make, and the timestamped cosignature (0x04), which witnesses make and this module only verifies.
"""

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from schemas.errors import ConfigurationError, VerificationFailed

MAX_NOTE_BYTES = 1 << 20
MAX_SIGNATURES = 100
"""Sixteen must be accepted; more than this only makes a verifier work."""

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class MalformedNote(VerificationFailed):
    """Bytes that are not a signed note, or one larger than the limits."""


class InvalidSignature(VerificationFailed):
    """A line names a known key, but the signature is not that key's over this text: the whole note is refused."""


class NoTrustedSignature(VerificationFailed):
    """A well-formed note without a line by any of the keys that were asked for."""


class MalformedKeyError(ConfigurationError):
    """A verifier key or signer key whose text does not hold together. The text itself is never repeated."""


class AmbiguousKeyError(ConfigurationError):
    """Two different verifier keys share name and key id, so their signature lines can't be told apart."""


class KeyType(IntEnum):
    """Signature types that can be verified; the value is the first byte of an encoded key."""

    ED25519 = 0x01
    COSIGNATURE = 0x04
    """Ed25519 over a header with the time and then the text (C2SP tlog-cosignature)."""


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, verified or not.

    Attributes:
        name: Name of the key that the line claims.
        key_id: Its key id, 4 bytes.
        signature: What follows the key id; the key's type says what it means.
    """

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"\u2014 {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signature lines.

    Attributes:
        text: What is signed, with its last newline.
        signatures: All lines after `parse_note`, only the verified ones after `verify_note`.
    """

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name. Two verifiers are equal when name, type and key are.

    Attributes:
        name: As in the signature lines; recommended is a URL without scheme.
        public_key: Ed25519, 32 bytes.
        key_type: What its signatures cover.
        key_id: First 4 bytes of SHA-256 over name, newline, type, key.
    """

    name: str
    public_key: bytes
    key_type: KeyType = KeyType.ED25519
    key_id: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise MalformedKeyError("a key name is not empty and holds no space, no plus sign and no control character")
        if len(self.public_key) != _KEY_BYTES:
            raise MalformedKeyError(f"an Ed25519 public key is {_KEY_BYTES} bytes long")
        encoded = bytes([self.key_type]) + self.public_key
        object.__setattr__(self, "key_id", sha256(self.name.encode() + b"\n" + encoded).digest()[:4])

    @classmethod
    def from_vkey(cls, vkey: str) -> "Verifier":
        """Read `name+hex(key id)+base64(type || public key)`.

        Raises:
            MalformedKeyError: The text is malformed, its key id is another key's, or its type is not known here.
        """
        name, _, rest = vkey.partition("+")
        key_id, _, key = rest.partition("+")
        key_type, public_key = _decode_key(key_id, key, "verifier key")
        verifier = cls(name, public_key, key_type)
        if verifier.key_id.hex() != key_id:
            raise MalformedKeyError("the verifier key's id is not the one of its name and key")
        return verifier

    @property
    def vkey(self) -> str:
        """The text form that `from_vkey` reads."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.key_type]) + self.public_key).decode()}"

    def verify(self, text: str, signature: bytes) -> None:
        """Check one signature, given without its key id.

        Raises:
            InvalidSignature: It is not this key's signature of the text.
        """
        message = text.encode()
        if self.key_type is KeyType.COSIGNATURE:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = f"cosignature/v1\ntime {time}\n".encode() + message
        if len(signature) != _SIGNATURE_BYTES:
            raise InvalidSignature(f"a signature line by {self.name} has the wrong length")
        try:
            VerifyKey(self.public_key).verify(message, signature)
        except CryptoError as exc:
            raise InvalidSignature(f"a signature line by {self.name} does not verify") from exc


class Signer:
    """A private Ed25519 key under a name. Its representation never shows the key; `export_skey` does."""

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the RFC 8032 private key, 32 random bytes.

        Raises:
            MalformedKeyError: The name is not allowed, or the seed has another length.
        """
        if len(seed) != _KEY_BYTES:
            raise MalformedKeyError(f"an Ed25519 private key is {_KEY_BYTES} bytes long")
        self._key = SigningKey(seed)
        self.verifier = Verifier(name, bytes(self._key.verify_key))

    @classmethod
    def from_skey(cls, skey: str) -> "Signer":
        """Read `PRIVATE+KEY+name+hex(key id)+base64(type || seed)`.

        Raises:
            MalformedKeyError: The text is malformed, its key id is another key's, or its type can't sign notes.
        """
        parts = skey.split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise MalformedKeyError("a signer key starts with PRIVATE+KEY+ and has five parts; generate a new one")
        _, _, name, key_id, key = parts
        key_type, seed = _decode_key(key_id, key, "signer key")
        if key_type is not KeyType.ED25519:
            raise MalformedKeyError("notes are signed with plain Ed25519 keys (type 0x01) only")
        signer = cls(name, seed)
        if signer.verifier.key_id.hex() != key_id:
            raise MalformedKeyError("the signer key's id is not the one of its name and key")
        return signer

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name!r}, key_id={self.verifier.key_id.hex()})"

    def export_skey(self) -> str:
        """The private key as text, for the file that keeps it."""
        encoded = b64encode(bytes([KeyType.ED25519]) + bytes(self._key)).decode()
        return f"PRIVATE+KEY+{self.verifier.name}+{self.verifier.key_id.hex()}+{encoded}"

    def sign(self, text: str) -> NoteSignature:
        """Sign a note's text."""
        signature = self._key.sign(text.encode()).signature
        return NoteSignature(self.verifier.name, self.verifier.key_id, signature)


def parse_note(note: bytes) -> Note:
    """Split a note into its text and its signature lines, none of them verified.

    Raises:
        MalformedNote: It is not a signed note, or larger than `MAX_NOTE_BYTES` or `MAX_SIGNATURES`.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise MalformedNote(f"the note is larger than {MAX_NOTE_BYTES} bytes")
    try:
        decoded = note.decode()
    except UnicodeDecodeError as exc:
        raise MalformedNote("the note is not UTF-8") from exc
    if _CONTROL.search(decoded):
        raise MalformedNote("the note holds a control character other than newline")
    # The text may hold empty lines itself: the last one separates.
    body, separator, lines = decoded.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise MalformedNote("the note has no empty line followed by whole signature lines")
    if lines.count("\n") > MAX_SIGNATURES:
        raise MalformedNote(f"the note has more than {MAX_SIGNATURES} signature lines")
    return Note(body + "\n", tuple(_parse_signature(line) for line in lines[:-1].split("\n")))


def verify_note(note: bytes, verifiers: Iterable[Verifier]) -> Note:
    """Check every line by a known key; lines by others are passed over, as the format demands.

    Returns:
        The note with its verified lines only, each key's first one, at least one in all.

    Raises:
        MalformedNote: It is not a signed note, or too large.
        InvalidSignature: A line with the name and id of a known key does not verify.
        NoTrustedSignature: There is no line by a known key.
        AmbiguousKeyError: Two different known keys share name and id.
    """
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise AmbiguousKeyError(
                f"two different verifier keys are named {verifier.name} with the same id; remove one"
            )
    parsed = parse_note(note)
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    for signature in parsed.signatures:
        key = (signature.name, signature.key_id)
        if key in known:
            known[key].verify(parsed.text, signature.signature)
            verified.setdefault(key, signature)
    if not verified:
        raise NoTrustedSignature("the note carries no signature by a key that is trusted here")
    return Note(parsed.text, tuple(verified.values()))


def sign_note(text: str, signers: Sequence[Signer]) -> bytes:
    """Write a note with one signature line for each signer.

    Raises:
        ValueError: The text does not end in a newline or can't stand in a note, or nobody signs.
    """
    if not text.endswith("\n") or _CONTROL.search(text) or not signers:
        raise ValueError("a note needs a text of whole lines without control characters, and a signer")
    return (text + "\n" + "".join(signer.sign(text).line for signer in signers)).encode()


def decode_base64(text: str) -> bytes | None:
    """Standard base64 with padding in its one canonical form, so that no note has a second spelling; else None."""
    try:
        raw = a2b_base64(text.encode("ascii", "replace"), strict_mode=True)
    except Base64Error:
        return None
    return raw if b64encode(raw).decode() == text else None


def _parse_signature(line: str) -> NoteSignature:
    if not line.startswith("\u2014 "):
        raise MalformedNote("a signature line does not start with an em dash and a space")
    name, _, encoded = line[2:].partition(" ")
    raw = decode_base64(encoded)
    if not _is_name(name) or raw is None or len(raw) < 5:
        raise MalformedNote("a signature line is not a key name and base64 of a key id and a signature")
    return NoteSignature(name, raw[:4], raw[4:])


def _decode_key(key_id: str, key: str, what: str) -> tuple[KeyType, bytes]:
    raw = decode_base64(key)
    if _KEY_ID.fullmatch(key_id) is None or not raw:
        raise MalformedKeyError(f"the {what} does not end in +<8 lowercase hex digits>+<base64>")
    try:
        return KeyType(raw[0]), raw[1:]
    except ValueError as exc:
        raise MalformedKeyError(f"the {what} is neither Ed25519 (type 0x01) nor a cosignature key (0x04)") from exc


def _is_name(name: str) -> bool:
    # A lone surrogate has no UTF-8 form, and control characters can't stand in a note.
    return bool(name) and not any(c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name)
