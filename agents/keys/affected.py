"""Which messages were accepted by a key since the moment from which on it is revoked: a revocation may reach back."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from agents.log.tree import HeldOutside
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from streams.storage import auditing
from streams.storage.auditing import PlacedCommit
from streams.storage.database import Connection
from streams.storage.keys import list_signing_keys
from streams.storage.sequencing import list_logs
from streams.storage.shards import list_shards, shard_at

ACCEPTED: Final = frozenset({"accepted", "closing", "result"})


@dataclass(frozen=True, slots=True)
class AffectedMessage:
    """A message that was accepted, and would not be today.

    Attributes:
        origin: Of the log in which its leaf stands, at `index`.
    """

    message: str
    origin: str
    index: int
    received: dt.datetime


async def affected_messages(connection: Connection, name: str) -> AsyncIterator[AffectedMessage]:
    """What a revocation reaches, in the order of the tenant's log; what has no place in it yet is not listed.

    Raises:
        ConfigurationError: No such key, or it is not revoked.
        HeldOutside: A shard's leaves are not in the database: the list would not be whole.
    """
    async with auditing.snapshot(connection):
        row = next((row for row in await list_signing_keys(connection) if row.key_id == name), None)
        if row is None:
            raise ConfigurationError(f"no key named {name!r} is registered; see `sealstream keys list`")
        if row.revoked_at is None:
            raise ConfigurationError(
                f"key {name!r} is not revoked; `sealstream keys revoke {name} --from TIME` does it"
            )
        for log in await list_logs(connection):
            if log.tenant != row.tenant:
                continue
            for shard in await list_shards(connection, log.tenant):
                if shard.is_dropped:
                    raise HeldOutside(shard)
            async for batch in auditing.placed_commits(connection, log.log_id):
                signed = {placed.commit_id: found for placed in batch if (found := _signed_by(placed, name))}
                if not signed:
                    continue
                contents = await auditing.commit_contents(connection, log.log_id, list(signed))
                for placed in batch:
                    messages = contents[placed.commit_id].tables["messages"] if placed.commit_id in signed else {}
                    for ordinal, leaf in signed.get(placed.commit_id, {}).items():
                        for message in messages.get(ordinal, []):
                            received = message["received_at"]
                            if received is not None and received >= row.revoked_at:
                                place = placed.first_index + ordinal
                                shard = await shard_at(connection, log.log_id, place)
                                index = place - shard.start
                                yield AffectedMessage(leaf.message or "", shard.origin, index, received)


def _signed_by(placed: PlacedCommit, name: str) -> dict[int, Leaf]:
    """The leaves of accepted messages that the key signed, alone or with others, by ordinal."""
    found: dict[int, Leaf] = {}
    body, start = placed.body or b"", 0
    needle, ends = name.encode(), placed.ends or []
    if not all(isinstance(end, int) for end in ends):
        return found  # for `audit verify` to name
    for ordinal, end in enumerate(ends):
        entry, start = body[start:end], end
        if needle not in entry:
            continue
        try:
            leaf = decode_leaf(entry)
        except VerificationFailed:
            continue  # for `audit verify` to name
        if leaf.kind in ACCEPTED and leaf.signer is not None and name in leaf.signer.split(","):
            found[ordinal] = leaf
    return found
