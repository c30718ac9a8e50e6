"""What a browser keeps of the console: the secret of a login, or of a visit before it, and the tokens of our forms.

Whose login it is, and whether it counts, is asked with every request: agents.access.authentication.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Final

_VISIT: Final = b"sealstream/console-visit/v1\0"
_FORMS: Final = b"sealstream/console-form/v1\0"
_VISIT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names of cookies, and tokens of forms.

    Args:
        key: Secret, 32 bytes, of the platform: every process takes every process's forms.
        secure: Whether the browser talks HTTPS to us.
    """

    key: bytes = field(repr=False)
    secure: bool

    @property
    def session(self) -> str:
        """Name of the cookie of a login."""
        return self._named("sealstream-session")

    @property
    def visit(self) -> str:
        """Name of the cookie that forms are bound to before a login."""
        return self._named("sealstream-visit")

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
    return os.urandom(_VISIT_BYTES).hex()


def visit_of(login: str) -> str:
    """The visit of a login: forms are bound to it, and its secret is in none of them."""
    return hashlib.sha256(_VISIT + login.encode()).digest()[:_VISIT_BYTES].hex()
