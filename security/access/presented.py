"""What somebody shows to prove who they are, as it came: whoever has it can act as them. Checking it is elsewhere.

It goes along with a look to whoever opens fields, which checks it again. It shows itself to nobody, and no log has it.
"""

from enum import StrEnum

import msgspec


class Means(StrEnum):
    """What is shown."""

    TOKEN = "token"  # noqa: S105 not a secret, the word
    API_KEY = "api_key"
    SESSION = "session"


class Presented(msgspec.Struct, frozen=True):
    """A credential.

    Attributes:
        text: Secret.
        certificate: Thumbprint of the client certificate that the connection showed, as who took the connection says.
    """

    means: Means
    text: str
    certificate: str | None = None

    def __repr__(self) -> str:
        return f"<Presented {self.means}>"
