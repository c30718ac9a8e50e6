"""Data keys at hand: wrapped ones while records are opened, and new ones for what is about to be sealed."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from security.data_key import WrappedDataKey
from security.sealing import SealingKeys
from streams.storage.database import Connection
from streams.storage.keys import read_data_keys


class KeyPlace(NamedTuple):
    """What one data key is to seal."""

    pass_id: int
    tenant: str
    domain: str
    tier: int


class KeyMaker(Protocol):
    """Makes data keys: of tier keys that this process holds, or in the process that holds them."""

    async def data_keys(self, wanted: Sequence[KeyPlace]) -> SealingKeys:
        """What seals these.

        Raises:
            Unavailable: The keys are not to be had now; nothing is sealed.
        """
        ...


class HeldKeys:
    """Keys that are in this process."""

    def __init__(self, keys: SealingKeys) -> None:
        self._keys = keys

    async def data_keys(self, wanted: Sequence[KeyPlace]) -> SealingKeys:
        """All that are held: they make what is wanted when it is."""
        return self._keys


class DataKeyCache:
    """The wrapped data keys of the batch in work, looked up by (pass, domain, tier); the next batch's replace them."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, str, int], WrappedDataKey] = {}

    async def load(self, connection: Connection, pass_ids: Iterable[int]) -> None:
        """Load the keys of these sealing passes."""
        rows = await read_data_keys(connection, pass_ids)
        self._keys = {(row.pass_id, row.domain, row.tier): row for row in rows}

    def get(self, pass_id: int, domain: str, tier: int) -> WrappedDataKey | None:
        """The key, or None when none is stored."""
        return self._keys.get((pass_id, domain, tier))
