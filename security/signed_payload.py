"""What a Verifiability signature commits to: the digests of an event, and the signed payload M that holds them.

Signing and verifying events with it is security.verifiability.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec

from schemas.errors import Rejection
from schemas.events import Event, canonical_bytes, canonical_timestamp
from schemas.events.attributes import MATERIAL_ATTRIBUTES, MAX_EXTENSIONS, extension_type, is_extension_name
from schemas.reasons import Reason
from security.dsse import MalformedEnvelope, decode_either_base64

_ABSENT = sha256().digest()


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
def _repeated(text: str) -> bytes:
    """Digest of an attribute whose values repeat from event to event; at most 8 MB are kept."""
    return sha256(text.encode()).digest()


def core_digest(event: Event) -> bytes:
    """`core`: SHA-256 over the digests of the eight core attributes and the data, in their fixed order.

    Raises:
        ValueError: `time` is no timestamp.
    """
    return sha256(
        b"".join(
            (
                sha256(event.id.encode()).digest(),
                _repeated(event.source),
                _repeated(event.specversion),
                _repeated(event.type),
                _repeated(event.datacontenttype) if event.datacontenttype else _ABSENT,
                _repeated(event.dataschema) if event.dataschema else _ABSENT,
                sha256(event.subject.encode()).digest() if event.subject else _ABSENT,
                _repeated(canonical_timestamp(event.time)) if event.time else _ABSENT,
                sha256(event.data).digest() if event.data else _ABSENT,
            )
        )
    ).digest()


def ext_digest(event: Event, names: Sequence[str]) -> bytes:
    """`ext`: SHA-256 over the digests of the named extensions, in that order; an absent one counts as empty.

    Raises:
        ValueError: A Timestamp extension is no timestamp.
    """
    extensions = event.extensions
    return sha256(
        b"".join([sha256(canonical_bytes(extensions.get(name), extension_type(name))).digest() for name in names])
    ).digest()


def encode_payload(payload: SignedPayload) -> bytes:
    """M as producers of ours write it: compact JSON, `ext` and `signedextattrs` only when extensions are signed."""
    wire = _WirePayload(_encode(payload.core))
    if payload.ext is not None:
        wire.ext = _encode(payload.ext)
        wire.signedextattrs = payload.signedextattrs
    return msgspec.json.encode(wire)


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
        raise Rejection(Reason.MALFORMED, "dssematerial: the signed payload is not JSON with core") from None
    except MalformedEnvelope as exc:
        raise Rejection(Reason.MALFORMED, f"dssematerial: {exc}") from None
    if len(core) != 32 or (ext is not None and len(ext) != 32):
        raise Rejection(Reason.MALFORMED, "dssematerial: a signed digest is not 32 bytes long")
    names = wire.signedextattrs
    if (ext is None) != (names is msgspec.UNSET):
        raise Rejection(Reason.MALFORMED, "dssematerial: ext and signedextattrs belong together")
    if names is msgspec.UNSET:
        return SignedPayload(core, None, ())
    broken = _broken_rule(names) if names else "is empty; without signed extensions it must be absent"
    if broken is not None:
        raise Rejection(Reason.MALFORMED, f"dssematerial: signedextattrs {broken}")
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
