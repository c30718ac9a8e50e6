"""Wrapped data keys at hand while records are opened: loaded batch by batch, looked up by (pass, domain, tier)."""

from collections.abc import Iterable

from security.data_key import WrappedDataKey
from streams.storage.database import Connection
from streams.storage.keys import read_data_keys


class DataKeyCache:
    """The data keys of the batch in work; loading the next batch drops the former one's."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, str, int], WrappedDataKey] = {}

    async def load(self, connection: Connection, pass_ids: Iterable[int]) -> None:
        """Load the keys of these sealing passes."""
        rows = await read_data_keys(connection, pass_ids)
        self._keys = {(row.pass_id, row.domain, row.tier): row for row in rows}

    def get(self, pass_id: int, domain: str, tier: int) -> WrappedDataKey | None:
        """The key, or None when none is stored."""
        return self._keys.get((pass_id, domain, tier))
