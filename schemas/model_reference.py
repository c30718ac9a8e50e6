"""How leaves and results name the models that decided: `name@version sha256:digest`, several with commas between."""

import re
from typing import Final, NamedTuple

SEPARATOR: Final = ", "
_FORM: Final = re.compile(r"([^\s@,]+)@(\S+) sha256:([0-9a-f]{64})")


class ModelReference(NamedTuple):
    """One model.

    Attributes:
        digest: Of its manifest, SHA-256 in hex.
    """

    name: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version} sha256:{self.digest}"


def read_references(text: str) -> list[ModelReference]:
    """The models that a leaf's `model` names; none where it is of no such form."""
    return [ModelReference(*found.groups()) for found in _FORM.finditer(text)]
