"""Making an evidence pack: receipts of all entries that a question is about, and what it takes to judge them.

What is disclosed is one `export` look for each thousand entries, in the log before anything leaves. The forms are
schemas.evidence_pack, checking a pack is security.evidence_pack.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec
from cryptography import x509

from agents.keys.key_leaf import rfc3339
from agents.log.entries import Entry, Question, find_entries
from agents.log.tree import SignedTree
from agents.opening.reading import Disclosure
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from agents.reading.receipt import Discloser, NotDisclosed, accepted_leaf, chosen_fields, producer_message, signer_jwk
from schemas.evidence_pack import (
    PACK_VERSION,
    TRUSTED_ROOT,
    CommitPlace,
    CommitRecord,
    LeftOut,
    LogRoot,
    TrustedRoot,
    WorkerRoot,
    encode_part,
)
from schemas.leaf import KeyChange
from schemas.receipt import Receipt, encode_receipt
from security.merkle import HASH_BYTES, root_and_paths
from security.receipt import read_leaf
from streams.storage import packing
from streams.storage.certificates import read_certificates
from streams.storage.database import Connection
from streams.storage.timestamping import last_timestamp

CONTEXT: Final = ("catalogue", "key", "model", "policy")
_OWN: Final = frozenset({"accepted", "closing", "rejected", "result"})
"""Kinds of entries that have rows of their own, of which something can be disclosed."""

Put = Callable[[str, bytes], None]


@dataclass(slots=True)
class _Collected:
    """What the entries of one log so far refer to.

    Attributes:
        commits: Those that brought them, by shard.
    """

    signers: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    keys: list[KeyChange] = field(default_factory=list)
    commits: dict[int, dict[int, list[Entry]]] = field(default_factory=dict)

    def add(self, shard: int, entries: Iterable[Entry]) -> None:
        for entry in entries:
            leaf = entry.leaf
            self.commits.setdefault(shard, {}).setdefault(leaf.commit, []).append(entry)
            if leaf.signer is not None:
                self.signers.update(leaf.signer.split(","))
            if leaf.source is not None:
                self.sources.add(leaf.source)


class PackMaker:
    """Makes one pack.

    Args:
        reader: Of whoever asks; fields and messages above its tier stay out.
        put: Takes each file's name and contents.
        fields: Whether the fields that the tier opens are disclosed.
        evidence: Whether the messages as received are.
    """

    def __init__(
        self,
        identity: Identity,
        knowledge: Knowledge,
        reader: Discloser,
        put: Put,
        *,
        fields: bool,
        evidence: bool,
    ) -> None:
        self._identity = identity
        self._knowledge = knowledge
        self._reader = reader
        self._put = put
        self._fields = fields
        self._evidence = evidence
        self._logs: list[LogRoot] = []
        self._workers: dict[str, WorkerRoot] = {}
        self.entries = 0
        self.left_out: list[LeftOut] = []

    async def add(self, shards: Sequence[SignedTree], question: Question) -> None:
        """Add what a log has to say. What it says of keys and models may stand in another shard than what they did.

        Args:
            shards: All that the log has, the first one first.

        Raises:
            DamagedLog: A leaf is not the one that was sequenced.
            VerificationFailed: What is stored is not what the log says of it.
        """
        collected = _Collected()
        for tree in shards:
            async for entries in find_entries(tree, question):
                await self._entries(tree, entries, collected)
                collected.add(tree.row.shard, entries)
        if not collected.commits:
            return
        for tree in shards:
            await self._context(tree, collected)
        await self._certificates(shards[0].connection, collected)
        for key_id in sorted(collected.signers):
            members = signer_jwk(self._knowledge.registry, key_id)
            self._put(f"keys/{_thumbprint(collected, key_id)}.json", msgspec.json.encode(members, order="sorted"))
        for tree in shards:
            if (commits := collected.commits.get(tree.row.shard)) is not None:
                await self._commits(tree, commits)
                await self._checkpoint(tree)

    def finish(self, witnesses: Sequence[str]) -> None:
        """Add whose keys sign what.

        Args:
            witnesses: Their vkeys.
        """
        workers = tuple(self._workers[name] for name in sorted(self._workers))
        root = TrustedRoot(
            version=PACK_VERSION,
            authority=self._identity.authority(),
            logs=tuple(self._logs),
            witnesses=tuple(witnesses),
            workers=workers,
        )
        self._put(TRUSTED_ROOT, encode_part(root))

    async def _entries(self, tree: SignedTree, entries: Sequence[Entry], collected: _Collected) -> None:
        names = {name: None for entry in entries if (name := _own_name(entry)) is not None}
        disclosed: Mapping[UUID, Disclosure] = {}
        if self._fields or self._evidence:
            disclosed = await self._reader.disclose_all(list(names), evidence=self._evidence, kind="export")
        for entry in entries:
            self.entries += 1
            file = f"entries/{tree.row.folder}/{entry.index}.json"
            name = _own_name(entry)
            disclosure = disclosed.get(name) if name is not None else None
            ours = disclosure is not None and (disclosure.stored.commit_id, disclosure.stored.leaf) == (
                entry.leaf.commit,
                entry.ordinal,
            )
            receipt = await self._receipt(tree, entry, file, disclosure if ours else None)
            if receipt.accepted is not None:
                # Its leaf need not be among the entries, and its signers' keys are wanted all the same.
                signer = read_leaf(receipt.accepted.leaf.encode()).signer
                collected.signers.update((signer or "").split(","))
            self._put(file, encode_receipt(receipt))

    async def _receipt(self, tree: SignedTree, entry: Entry, file: str, disclosure: Disclosure | None) -> Receipt:
        plain = _plain(tree, entry)
        if disclosure is None:
            return plain
        fields = chosen_fields(disclosure.fields, None) if self._fields else {}
        message, accepted = None, None
        if self._evidence:
            try:
                accepted = await accepted_leaf(tree.connection, tree, disclosure)
                leaf = entry.leaf if accepted is None else read_leaf(accepted.leaf.encode())
                message = producer_message(disclosure, leaf, self._knowledge.registry)
            except NotDisclosed as exc:
                accepted = None
                self.left_out.append(LeftOut(file, str(exc)))
        return msgspec.structs.replace(plain, fields=fields, message=message, accepted=accepted)

    async def _context(self, tree: SignedTree, collected: _Collected) -> None:
        """The entries about keys, policies, models and the catalogue that bear on what was found."""
        async for entries in find_entries(tree, Question(kinds=CONTEXT)):
            wanted = [entry for entry in entries if _bears_on(entry, collected)]
            for entry in wanted:
                name = f"context/{tree.row.folder}/{entry.index}.json"
                self._put(name, encode_receipt(_plain(tree, entry)))
                if entry.leaf.key is not None:
                    collected.keys.append(entry.leaf.key)
            collected.add(tree.row.shard, wanted)

    async def _commits(self, tree: SignedTree, commits: Mapping[int, Sequence[Entry]]) -> None:
        found = await packing.read_commits(tree.connection, tree.row.log_id, commits)
        workers = await packing.read_workers(tree.connection, {row.worker_id for row in found})
        for row in found:
            hashes = [row.hashes[at : at + HASH_BYTES] for at in range(0, len(row.hashes), HASH_BYTES)]
            _, paths = root_and_paths(hashes)
            entries = {entry.index: entry for entry in commits[row.commit_id]}.values()
            record = CommitRecord(
                origin=tree.row.origin,
                log=tree.row.log_origin if tree.row.shard else None,
                commit=row.commit_id,
                count=row.leaf_count,
                root=row.leaves_root,
                watermark=row.watermark,
                worker=row.worker_id,
                signature=row.signature,
                places=tuple(CommitPlace(entry.index, entry.ordinal, tuple(paths[entry.ordinal])) for entry in entries),
            )
            self._put(f"commits/{tree.row.folder}/{row.commit_id}.json", encode_part(record))
            last = max(entry.leaf.time for entry in entries)
            known = self._workers.get(row.worker_id)
            key = workers[row.worker_id]
            self._workers[row.worker_id] = WorkerRoot(
                id=row.worker_id,
                public_key=key.public_key,
                certificate=key.certificate,
                since=rfc3339(key.created_at),
                until=max(last, known.until) if known is not None else last,
            )

    async def _certificates(self, connection: Connection, collected: _Collected) -> None:
        """The chains of the keys, and every version of their issuers' lists that was taken in."""
        digests = {_bytes(each) for key in collected.keys for each in key.certificates}
        issuers = set()
        for digest, der in sorted((await read_certificates(connection, digests)).items()):
            self._put(f"certificates/{digest.hex()}.der", der)
            issuers.add(x509.load_der_x509_certificate(der).subject.rfc4514_string())
        for der in await packing.revocation_lists_of(connection, issuers):
            self._put(f"revocation-lists/{hashlib.sha256(der).hexdigest()}.crl", der)

    async def _checkpoint(self, tree: SignedTree) -> None:
        row = tree.row
        self._put(f"checkpoints/{row.folder}.note", tree.note)
        stamped = await last_timestamp(tree.connection, row.tree)
        if stamped is not None:
            answer, note = stamped
            self._put(f"timestamps/{row.folder}.tsr", answer.response)
            self._put(f"timestamps/{row.folder}.note", note.encode())
        since = await packing.first_checkpoint_at(tree.connection, row.tree)
        ended = await packing.last_checkpoint_at(tree.connection, row.tree) if row.end is not None else None
        until = rfc3339(ended) if ended is not None else None
        vkey = (await asyncio.to_thread(self._identity.verifier_of, row)).vkey
        self._logs.append(LogRoot(origin=row.origin, tenant=row.tenant, vkey=vkey, since=rfc3339(since), until=until))


def _plain(tree: SignedTree, entry: Entry) -> Receipt:
    return Receipt(
        origin=tree.row.origin,
        index=entry.index,
        leaf=entry.body.decode(),
        path=entry.proof.path,
        checkpoint=tree.note.decode(),
        fields={},
    )


def _own_name(entry: Entry) -> UUID | None:
    """Under which name an entry's rows are found."""
    name = entry.leaf.record or entry.leaf.message
    return UUID(name) if entry.leaf.kind in _OWN and name is not None else None


def _bears_on(entry: Entry, collected: _Collected) -> bool:
    key = entry.leaf.key
    if entry.leaf.kind != "key" or key is None:
        return True
    return key.id in collected.signers if key.id is not None else not collected.sources.isdisjoint(key.sources)


def _thumbprint(collected: _Collected, key_id: str) -> str:
    found = [key.thumbprint for key in collected.keys if key.id == key_id and key.thumbprint is not None]
    if not found:
        raise NotDisclosed(
            f"the log has no entry that registers key {key_id}, so that nobody could check whose it is; "
            "`sealstream keys confirm` writes one"
        )
    return found[-1]


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
