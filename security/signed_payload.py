"""What a Verifiability signature commits to: the digests of an event, and the signed payload M that holds them.

Signing and verifying events with it is security.verifiability.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec

from schemas.errors import Rejection, SealstreamError
from schemas.events import AttributeType, AttributeValue, Event, canonical_bytes, canonical_timestamp
from schemas.events.attributes import (
    EXTENSION_TYPES,
    MATERIAL_ATTRIBUTES,
    MAX_EXTENSIONS,
    extension_type,
    is_extension_name,
)
from schemas.reasons import Reason
from security.dsse import MalformedEnvelope, decode_either_base64

_ABSENT = sha256().digest()
_NO_STRINGS = frozenset(name for name, kind in EXTENSION_TYPES.items() if kind is not AttributeType.STRING)
_REPEATED_LENGTH = 32


class SigningRefusedError(SealstreamError):
    """The event, or the list of attributes to sign, breaks a rule that every verifier would enforce."""


class SignedPayload(msgspec.Struct, frozen=True, gc=False):
    """The signed payload M. `signedextattrs` is empty when no extension was signed."""

    core: bytes
    ext: bytes | None
    signedextattrs: tuple[str, ...]


class _WirePayload(msgspec.Struct, omit_defaults=True):
    core: str
    ext: str | msgspec.UnsetType = msgspec.UNSET
    signedextattrs: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


_PAYLOAD = msgspec.json.Decoder(_WirePayload)


@lru_cache(maxsize=2048)
def _time(text: str) -> bytes:
    """Digest of a time; events of one second share it."""
    return sha256(canonical_timestamp(text).encode()).digest()


@lru_cache(maxsize=512)
def _repeated_run(source: str, specversion: str, kind: str, datacontenttype: str | None, schema: str | None) -> bytes:
    """Digests of the five attributes that a producer's events nearly always share; at most 8 MB are kept."""
    return b"".join(
        [sha256(text.encode()).digest() for text in (source, specversion, kind, datacontenttype or "", schema or "")]
    )


def core_digest(event: Event) -> bytes:
    """`core`: SHA-256 over the digests of the eight core attributes and the data, in their fixed order.

    Raises:
        ValueError: `time` is no timestamp.
    """
    return sha256(
        sha256(event.id.encode()).digest()
        + _repeated_run(event.source, event.specversion, event.type, event.datacontenttype, event.dataschema)
        + (sha256(event.subject.encode()).digest() if event.subject else _ABSENT)
        + (_time(event.time) if event.time else _ABSENT)
        + (sha256(event.data).digest() if event.data else _ABSENT)
    ).digest()


def ext_digest(event: Event, names: Sequence[str]) -> bytes:
    """`ext`: SHA-256 over the digests of the named extensions, in that order; an absent one counts as empty.

    Raises:
        ValueError: A Timestamp extension is no timestamp.
    """
    extensions = event.extensions
    if len(names) == 1:  # a level or a classification, which repeats
        value = extensions.get(names[0])
        if type(value) is str and len(value) <= _REPEATED_LENGTH:
            return _repeated_ext(names[0], value)
    return sha256(b"".join([_value_digest(name, extensions.get(name)) for name in names])).digest()


@lru_cache(maxsize=2048)
def _repeated_ext(name: str, value: str) -> bytes:
    return sha256(_value_digest(name, value)).digest()


def _value_digest(name: str, value: AttributeValue | None) -> bytes:
    if type(value) is str and name not in _NO_STRINGS:  # nearly every one
        return sha256(value.encode()).digest()
    return sha256(canonical_bytes(value, extension_type(name))).digest()


def encode_payload(payload: SignedPayload) -> bytes:
    """M as producers of ours write it: compact JSON, `ext` and `signedextattrs` only when extensions are signed."""
    wire = _WirePayload(_encode(payload.core))
    if payload.ext is not None:
        wire.ext = _encode(payload.ext)
        wire.signedextattrs = payload.signedextattrs
    return msgspec.json.encode(wire)


def payload_to_sign(event: Event, signed_extensions: Sequence[str]) -> bytes:
    """M for an event; see `security.verifiability.sign_event` for what may be signed.

    Raises:
        SigningRefusedError: The list breaks a rule, or a timestamp is none.
    """
    names = tuple(signed_extensions)
    broken = _broken_rule(names)
    if broken is not None:
        raise SigningRefusedError(f"the list of extensions to sign {broken}")
    try:
        signed = SignedPayload(core_digest(event), ext_digest(event, names) if names else None, names)
    except ValueError as exc:
        raise SigningRefusedError(f"an attribute of type Timestamp is {exc}") from None
    return encode_payload(signed)


def parse_payload(payload: bytes) -> SignedPayload:
    """Parse M, after its signature held.

    Raises:
        Rejection: `malformed`: not that JSON object, a digest that is not 32 bytes, `ext` without `signedextattrs` or
            the other way round, or a list with repetitions or with names that can't be signed.
    """
    try:
        wire = _PAYLOAD.decode(payload)
        core = decode_either_base64(wire.core, "core")
        ext = None if wire.ext is msgspec.UNSET else decode_either_base64(wire.ext, "ext")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Rejection(Reason.MALFORMED, "the signed payload is not JSON with core") from None
    except MalformedEnvelope as exc:
        raise Rejection(Reason.MALFORMED, f"the signed payload: {exc}") from None
    if len(core) != 32 or (ext is not None and len(ext) != 32):
        raise Rejection(Reason.MALFORMED, "a signed digest is not 32 bytes long")
    names = wire.signedextattrs
    if (ext is None) != (names is msgspec.UNSET):
        raise Rejection(Reason.MALFORMED, "ext and signedextattrs belong together")
    if names is msgspec.UNSET:
        return SignedPayload(core, None, ())
    broken = _broken_rule(names) if names else "is empty; without signed extensions it must be absent"
    if broken is not None:
        raise Rejection(Reason.MALFORMED, f"signedextattrs {broken}")
    return SignedPayload(core, ext, names)


def _broken_rule(names: tuple[str, ...]) -> str | None:
    # A producer signs the same list in all its events. Only lists of a bounded length are remembered.
    return _known_rule(names) if len(names) <= MAX_EXTENSIONS else broken_list_rule(names)


def broken_list_rule(names: Sequence[str]) -> str | None:
    """Which rule a list of extensions to sign breaks, as the end of a sentence; None when it breaks none."""
    if len(names) > MAX_EXTENSIONS:
        return f"has more than {MAX_EXTENSIONS} entries"
    if len(set(names)) != len(names):
        return "names an attribute twice"
    if not MATERIAL_ATTRIBUTES.isdisjoint(names):
        return "names signature material, which can't sign itself"
    if not all(map(is_extension_name, names)):
        return "names a core attribute or something that is no attribute"
    return None


_known_rule = lru_cache(maxsize=256)(broken_list_rule)


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()
