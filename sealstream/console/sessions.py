"""Who is logged in: cookies that we alone can make and read, and the tokens that show that a form is ours.

A cookie holds how somebody proved who they are, sealed, and no more than that counts: who they are now, and whether the
key that they used still counts, is asked with every request. A bearer token's text is in no cookie: its issuer and
subject are, until the token would have ended.
"""

import base64
import datetime as dt
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIFETIME: Final = dt.timedelta(hours=8)
MAX_COOKIE: Final = 2_048
_NONCE_BYTES: Final = 12
_CONTEXT: Final = b"sealstream/console-session/v1"
_FORMS: Final = b"sealstream/console-form/v1\0"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody proved who they are.

    Attributes:
        visit: Random; forms of this login are bound to it.
        ends: Seconds since 1970.
        api_key: Its text.
        issuer: Of a bearer token, with its subject.
        certificate: Thumbprint of the client certificate that the token was bound to, and the login is.
    """

    visit: str
    ends: int
    api_key: str = ""
    issuer: str = ""
    subject: str = ""
    certificate: str | None = None

    def __repr__(self) -> str:
        return f"<Login until {self.ends}>"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Makes and reads cookies.

    Args:
        key: Secret, 32 bytes, of the platform: every process takes every process's cookies.
        secure: Whether the browser talks HTTPS to us.
    """

    key: bytes
    secure: bool

    @property
    def session_cookie(self) -> str:
        """Name of the cookie of a login."""
        return self._named("sealstream-session")

    @property
    def visit_cookie(self) -> str:
        """Name of the cookie that forms are bound to before a login."""
        return self._named("sealstream-visit")

    def seal(self, login: Login) -> str:
        """As the browser keeps it."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self.key).encrypt(nonce, msgspec.json.encode(login), _CONTEXT)
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def read(self, text: str | None, now: dt.datetime) -> Login | None:
        """The login of a cookie; None of one that is not ours, or over."""
        if not text or len(text) > MAX_COOKIE:
            return None
        try:
            raw = base64.urlsafe_b64decode(text)
            opened = AESGCM(self.key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _CONTEXT)
            login = msgspec.json.decode(opened, type=Login)
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            return None
        return login if now.timestamp() < login.ends else None

    def form_token(self, visit: str) -> str:
        """What a form of that visit has in it, and no other site knows."""
        return hmac.new(self.key, _FORMS + visit.encode(), hashlib.sha256).hexdigest()

    def is_ours(self, visit: str, token: str) -> bool:
        """Whether a form came from a page of that visit."""
        return hmac.compare_digest(self.form_token(visit).encode(), token.encode())

    def _named(self, name: str) -> str:
        # With this prefix a browser takes it over HTTPS alone, and from no neighbouring domain.
        return f"__Host-{name}" if self.secure else name


def new_visit() -> str:
    """A visit's name."""
    return os.urandom(16).hex()
