"""Verifying an evidence pack offline, as a whole. Form: schemas.evidence_pack. Made by agents.reading.evidence_pack.

Nothing is believed but the keys that the verifier brings: of logs, and of witnesses where they are asked for. What the
pack says of workers' keys rests on the platform's authority, whose key is reported so that it can be compared.
"""

import hashlib
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import VerificationFailed
from schemas.evidence_pack import (
    MANIFEST,
    MAX_JSON_BYTES,
    PACK_VERSION,
    TRUSTED_ROOT,
    CommitRecord,
    MalformedPack,
    Manifest,
    TrustedRoot,
    decode_part,
)
from schemas.leaf import KeyChange, Leaf
from schemas.model_reference import read_references
from schemas.receipt import MAX_RECEIPT_BYTES, AcceptedLeaf, Receipt, decode_receipt
from security.commit_signature import CommitStatement, check_commit_signature, check_worker_certificate
from security.jwk import encode_base64url, parse_jwk, public_jwk, thumbprint
from security.merkle import leaf_hash, verify_inclusion
from security.note import Verifier
from security.receipt import Established, TrustedLog, accepting_origin, read_leaf, verify_receipt

_LISTED: Final = 12
"""Names of one kind that a line of the report holds."""


class PackMismatch(VerificationFailed):
    """Parts of a pack contradict each other, or one is missing."""


@dataclass(frozen=True, slots=True)
class PackTrust:
    """What the verifier believes beforehand.

    Attributes:
        keys: Of logs; each log's origin is the name of its key.
        witnesses: Keys of witnesses.
        min_witnesses: How many of them must have cosigned each checkpoint.
    """

    keys: Collection[Verifier]
    witnesses: Collection[Verifier] = ()
    min_witnesses: int = 0

    def log(self, origin: str) -> TrustedLog:
        """What is believed of a log.

        Raises:
            PackMismatch: Nothing.
        """
        keys = [key for key in self.keys if key.name == origin]
        if not keys:
            raise PackMismatch(f"no key was given for log {origin}, of which the pack has entries")
        return TrustedLog(keys=keys, origin=origin, witnesses=self.witnesses, min_witnesses=self.min_witnesses)


@dataclass(slots=True)
class _Seen:
    """A receipt that holds, without what it discloses; where its record was deferred with the leaf that accepted it."""

    name: str
    origin: str
    index: int
    leaf: Leaf
    hash: bytes
    thumbprints: dict[str, str] = field(default_factory=dict)
    accepted: "_Seen | None" = None


def verify_pack(names: Collection[str], read: Callable[[str, int], bytes], trust: PackTrust) -> list[Established]:
    """Check everything in a pack.

    Args:
        names: Of all files in it.
        read: Gives the contents of a file, or raises MalformedPack where it is larger than the limit.

    Returns:
        What was established; nothing that is not in the list was checked.

    Raises:
        VerificationFailed: The first thing that does not hold; the text names the file.
    """
    manifest = _manifest(names, read)
    root = decode_part(read(TRUSTED_ROOT, MAX_JSON_BYTES), TrustedRoot, TRUSTED_ROOT)
    if root.version != PACK_VERSION:
        raise MalformedPack(f"{TRUSTED_ROOT} has version {root.version}; this program reads {PACK_VERSION}")
    for log in root.logs:
        if log.vkey not in [key.vkey for key in trust.log(log.origin).keys]:
            raise PackMismatch(f"{TRUSTED_ROOT} names another key for log {log.origin} than the one that was given")
    commits = _commits(names, read)
    context = [_receipt(name, read, trust) for name in _within(names, "context/")]
    entries = [_receipt(name, read, trust) for name in _within(names, "entries/")]
    found = [
        Established("pack", f"{len(names)} files, made {manifest.made}"),
        *(_log_line(origin, entries, context) for origin in sorted({each.origin for each in [*entries, *context]})),
        *_producer_keys(entries, context, _logs(entries, commits), names, read),
        *_certificates(context, names, read),
        *_workers([*entries, *context], commits, root),
        *_models(entries),
    ]
    return found + [Established("left out", f"{each.entry}: {each.why}") for each in manifest.left_out]


def _manifest(names: Collection[str], read: Callable[[str, int], bytes]) -> Manifest:
    if MANIFEST not in names or TRUSTED_ROOT not in names or len(set(names)) != len(names):
        raise MalformedPack(f"no evidence pack: {MANIFEST} or {TRUSTED_ROOT} is missing, or a file is there twice")
    manifest = decode_part(read(MANIFEST, MAX_JSON_BYTES), Manifest, MANIFEST)
    if manifest.version != PACK_VERSION:
        raise MalformedPack(f"{MANIFEST} has version {manifest.version}; this program reads {PACK_VERSION}")
    missing, strange = manifest.files.keys() - set(names), set(names) - manifest.files.keys() - {MANIFEST}
    if missing or strange:
        raise PackMismatch(
            f"the pack lacks {sorted(missing)[:3]} or has files that its manifest does not name: {sorted(strange)[:3]}"
        )
    for name, digest in manifest.files.items():
        if hashlib.sha256(read(name, MAX_JSON_BYTES)).hexdigest() != digest:
            raise PackMismatch(f"{name} is not the file that the manifest names (SHA-256 differs)")
    return manifest


def _within(names: Iterable[str], folder: str) -> list[str]:
    return sorted(name for name in names if name.startswith(folder))


def _receipt(name: str, read: Callable[[str, int], bytes], trust: PackTrust) -> _Seen:
    try:
        receipt = decode_receipt(read(name, MAX_RECEIPT_BYTES))
        verify_receipt(receipt, trust.log(receipt.origin))
    except VerificationFailed as exc:
        raise PackMismatch(f"{name}: {exc}") from exc
    seen = _seen(name, receipt.origin, receipt)
    signed = seen
    if receipt.accepted is not None:
        signed = seen.accepted = _seen(name, accepting_origin(receipt), receipt.accepted)
    signed.thumbprints.update(_message_keys(receipt))
    return seen


def _seen(name: str, origin: str, proved: Receipt | AcceptedLeaf) -> _Seen:
    body = proved.leaf.encode()
    return _Seen(name, origin, proved.index, read_leaf(body), leaf_hash(body))


def _message_keys(receipt: Receipt) -> Iterator[tuple[str, str]]:
    for members in receipt.message.signers if receipt.message is not None else ():
        yield str(members.get("kid")), thumbprint(public_jwk(members).public_key)


def _log_line(origin: str, entries: Collection[_Seen], context: Collection[_Seen]) -> Established:
    ours = [each for each in entries if each.origin == origin]
    kinds = Counter(each.leaf.kind for each in ours)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    about = sum(each.origin == origin for each in context)
    return Established("log", f"{origin}: {len(ours)} entries ({told}), {about} about keys, policies and models")


def _producer_keys(
    entries: Collection[_Seen],
    context: Collection[_Seen],
    logs: Mapping[str, str],
    names: Collection[str],
    read: Callable[[str, int], bytes],
) -> Iterator[Established]:
    """That every signer's key was registered in the log before, as the very key that is in the pack.

    Args:
        logs: Of which log each shard is, by the commits that workers signed for it.
    """

    def place(each: _Seen) -> tuple[int, int]:
        shard = each.origin.removeprefix(log_of(each)).removeprefix("/")
        return int(shard or 0), each.index

    def log_of(each: _Seen) -> str:
        return logs.get(each.origin, each.origin)

    histories: defaultdict[tuple[str, str], list[tuple[tuple[int, int], KeyChange]]] = defaultdict(list)
    for each in context:
        if each.leaf.key is not None and each.leaf.key.id is not None:
            histories[log_of(each), each.leaf.key.id].append((place(each), each.leaf.key))
    used: Counter[tuple[str, str]] = Counter()
    for each in [*entries, *(each.accepted for each in entries if each.accepted is not None)]:
        for key_id in each.leaf.signer.split(",") if each.leaf.signer is not None else ():
            history = sorted(histories[log_of(each), key_id], key=lambda pair: pair[0])
            before = [change for at, change in history if at < place(each)]
            if not before:
                raise PackMismatch(f"{each.name}: the log has no earlier entry that registers its signer {key_id}")
            if each.thumbprints.get(key_id, before[-1].thumbprint) != before[-1].thumbprint:
                raise PackMismatch(f"{each.name}: key {key_id} in the receipt is not the one that was registered")
            used[log_of(each), key_id] += 1
    for (origin, key_id), count in sorted(used.items()):
        (_, index), last = max(histories[origin, key_id], key=lambda pair: pair[0])
        file = f"keys/{last.thumbprint}.json"
        if file not in names or thumbprint(parse_jwk(read(file, MAX_JSON_BYTES)).public_key) != last.thumbprint:
            raise PackMismatch(f"{file}: the public key of {key_id} is missing, or is another one")
        revoked = f", revoked from {last.revoked} on" if last.revoked is not None else ""
        yield Established(
            "producer key",
            f"{key_id} ({last.thumbprint}) for {', '.join(last.sources)}, last entry {index}{revoked}: "
            f"signed {count} entries",
        )


def _certificates(
    context: Collection[_Seen], names: Collection[str], read: Callable[[str, int], bytes]
) -> Iterator[Established]:
    """That the certificates which keys were imported with, and the lists that revoked them, are in the pack."""
    changes = [(each.name, each.leaf.key) for each in context if each.leaf.key is not None]
    held = _by_digest(_within(names, "certificates/"), "der", read)
    lists = _by_digest(_within(names, "revocation-lists/"), "crl", read)
    for name, change in changes:
        if not held.issuperset(change.certificates):
            raise PackMismatch(f"{name} names a certificate that the pack does not have")
        if change.crl is not None and change.crl not in lists:
            raise PackMismatch(f"{name} names a revocation list that the pack does not have")
    if held or lists:
        told = f"{len(held)} certificates and {len(lists)} revocation lists, those that the log names among them"
        yield Established("certificates", told)


def _by_digest(names: Iterable[str], ending: str, read: Callable[[str, int], bytes]) -> set[str]:
    """The digests of files that are called by them, base64url."""
    held = set()
    for name in names:
        digest = hashlib.sha256(read(name, MAX_JSON_BYTES)).digest()
        if name.partition("/")[2] != f"{digest.hex()}.{ending}":
            raise PackMismatch(f"{name} is not called by its SHA-256")
        held.add(encode_base64url(digest))
    return held


def _commits(names: Collection[str], read: Callable[[str, int], bytes]) -> dict[tuple[str, int], CommitRecord]:
    records = [decode_part(read(name, MAX_JSON_BYTES), CommitRecord, name) for name in _within(names, "commits/")]
    return {(each.origin, each.commit): each for each in records}


def _log_of(record: CommitRecord) -> str:
    """The log that a commit was signed for, which its shard's origin begins with."""
    log = record.log if record.log is not None else record.origin
    shard = record.origin.removeprefix(f"{log}/")
    if log != record.origin and not (shard.isascii() and shard.isdecimal()):
        raise PackMismatch(f"commit {record.commit} of {record.origin}: its worker signed it for another log")
    return log


def _logs(entries: Collection[_Seen], commits: Mapping[tuple[str, int], CommitRecord]) -> dict[str, str]:
    """Of which log each shard is, by the commits that workers signed for it, or by a later shard of it."""
    logs = {each.origin: _log_of(each) for each in commits.values()}
    for each in entries:
        if each.accepted is not None:
            logs.setdefault(each.accepted.origin, logs.get(each.origin, each.origin))
    return logs


def _workers(
    seen: Collection[_Seen], commits: dict[tuple[str, int], CommitRecord], root: TrustedRoot
) -> Iterator[Established]:
    """That each entry came in a commit which a certified worker signed."""
    certified = {}
    for worker in root.workers:
        check_worker_certificate(worker.id, worker.public_key, worker.certificate, root.authority)
        certified[worker.id] = worker.public_key
    for record in commits.values():
        key = certified.get(record.worker)
        if key is None:
            raise PackMismatch(f"commit {record.commit} of {record.origin}: {TRUSTED_ROOT} has no key of its worker")
        statement = CommitStatement(_log_of(record), record.commit, record.count, record.root, record.watermark)
        check_commit_signature(statement, record.signature, key)
    brought: Counter[str] = Counter()
    for each in seen:
        commit = commits.get((each.origin, each.leaf.commit))
        place = next((place for place in commit.places if place.index == each.index), None) if commit else None
        if commit is None or place is None:
            raise PackMismatch(f"{each.name}: the pack does not say which worker brought it")
        verify_inclusion(each.hash, place.ordinal, commit.count, place.path, commit.root)
        brought[commit.worker] += 1
    authority = b64encode(root.authority).decode()
    told = ", ".join(f"{worker} ({count})" for worker, count in brought.most_common(_LISTED))
    more = f" and {len(brought) - _LISTED} more" if len(brought) > _LISTED else ""
    if brought:
        yield Established("workers", f"{told}{more}; certified by {authority}, as the pack says")


def _models(entries: Collection[_Seen]) -> Iterator[Established]:
    decided = Counter(each for seen in entries for each in read_references(seen.leaf.model or ""))
    for model, count in sorted(decided.items()):
        yield Established("model", f"{model}: decided {count} entries")
