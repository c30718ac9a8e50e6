"""The form in which signed payloads are nearly always written: then M is compared with what the event gives, unparsed.

What M means, and every other form of it, is security.signed_payload.
"""

from binascii import b2a_base64

from schemas.events import Event
from security.signed_payload import SignedPayload, core_digest, encode_payload, ext_digest

MAX_FORMS = 256

_CORE, _CORE_END = len(b'{"core":"'), len(b'{"core":"') + 44
_EXT = b'","ext":"'
_EXT_END = _CORE_END + len(_EXT) + 44


class PayloadForms:
    """Remembers how the M of each list of signed extensions ends; never more than `MAX_FORMS` lists."""

    def __init__(self) -> None:
        self._names: dict[bytes, tuple[str, ...]] = {b'"}': ()}

    def match(self, event: Event, payload: bytes) -> SignedPayload | None:
        """What M says, when it is M of this event in a form we know.

        None means only that M has to be parsed and compared: for its own form, or for the reason it doesn't match.
        """
        with_ext = payload.startswith(_EXT, _CORE_END)
        names = self._names.get(payload[_EXT_END if with_ext else _CORE_END :])
        if names is None or with_ext != bool(names) or not payload.startswith(b'{"core":"'):
            return None
        try:
            core = core_digest(event)
            ext = ext_digest(event, names) if with_ext else None
        except ValueError:
            return None
        if b2a_base64(core, newline=False) != payload[_CORE:_CORE_END]:
            return None
        if ext is not None and b2a_base64(ext, newline=False) != payload[_CORE_END + len(_EXT) : _EXT_END]:
            return None
        return SignedPayload(core, ext, names)

    def learn(self, payload: bytes, signed: SignedPayload) -> None:
        """Remember the form of an M that was parsed and found right."""
        if signed.ext is not None and len(self._names) < MAX_FORMS and encode_payload(signed) == payload:
            self._names[payload[_EXT_END:]] = signed.signedextattrs
