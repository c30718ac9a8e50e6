"""What PostgreSQL's own array types are, asked once for all connections of this process.

asyncpg asks each new connection anew, which takes the server 20 ms of planning: in tests that open a thousand
connections more than everything that they ask for themselves.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from asyncpg.connection import Connection

FIRST_OWN_OID = 16384
"""Below are the types that every database has, under the same numbers."""

_known: dict[frozenset[int], Any] = {}
_ask = Connection._introspect_types


async def _introspect(self: Any, type_oids: Iterable[int], *how: Any) -> Sequence[Any]:
    asked = frozenset(type_oids)
    if max(asked, default=FIRST_OWN_OID) >= FIRST_OWN_OID:
        return await _ask(self, asked, *how)
    if asked not in _known:
        _known[asked] = await _ask(self, asked, *how)
    return _known[asked]


def install() -> None:
    """Have connections that this process opens know the types."""
    Connection._introspect_types = _introspect
