"""What a leaf says of its own log: how shards end, begin and are held. The leaf itself is schemas.leaf."""

import msgspec


class LogChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of a tenant's log as a whole. Members are in sorted order, as those of the leaf.

    Attributes:
        change: `close` (nothing comes after this leaf, and the log goes on as `origin`), `open` (the first leaf of a
            shard: the one before ended as it says), `succeed` (likewise, and the one before could not be brought
            back whole), `drop` (the leaves of a closed shard are held outside from now on), or `restore` (they are in
            the database again).
        key: Of a closing: which of the log's keys signs the next shard, from 0.
        lost: Of a declared successor: how many leaves of the one before are lost.
        note: Of a declared successor: the last signed checkpoint of the one before.
        origin: The other shard's.
        root: Of an opening: the root hash of the final checkpoint of the one before, hex; of a shard that is dropped or
            restored, that of its own.
        size: Likewise, its size; of a declared successor, how many leaves were published.
        vkey: Of a closing: the key that verifies the next shard, certified by this one's final checkpoint.
    """

    change: str
    key: int = 0
    lost: int = 0
    note: str | None = None
    origin: str
    root: str | None = None
    size: int | None = None
    vkey: str | None = None
