"""The evidence pack: one archive that answers a question about a log and verifies offline as a whole.

    manifest.json                        what was asked, and the SHA-256 of every other file
    trusted-root.json                    whose keys sign what: logs, witnesses, workers; to be compared with one's own
    entries/TENANT/INDEX.json            a receipt for each entry that the question is about
    context/TENANT/INDEX.json            receipts of the entries about keys, policies, models and the catalogue
    commits/TENANT/COMMIT.json           which worker brought them, with its signature
    keys/THUMBPRINT.json                 the producers' public keys (JWK)
    certificates/SHA256.der, revocation-lists/SHA256.crl
    checkpoints/TENANT.note, timestamps/TENANT.note, timestamps/TENANT.tsr

This module has the forms of what is not a receipt. Whether anything in a pack is true is security.evidence_pack.
"""

from typing import Any, Final, TypeVar

import msgspec

from schemas.errors import VerificationFailed

PACK_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
TRUSTED_ROOT: Final = "trusted-root.json"
MAX_JSON_BYTES: Final = 64 << 20

T = TypeVar("T")


class MalformedPack(VerificationFailed):
    """An archive is not an evidence pack of a version that this program reads."""


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an entry's receipt lacks although it was asked for, and why."""

    entry: str
    why: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pack is.

    Attributes:
        made: When, RFC 3339 in UTC.
        question: What was asked, by member.
        left_out: What could not be disclosed.
        files: Every other file and its SHA-256, hex.
    """

    version: int
    made: str
    question: dict[str, Any]
    left_out: tuple[LeftOut, ...]
    files: dict[str, str]


class LogRoot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A log's key. Times are RFC 3339 in UTC; `until` is null while it is in use."""

    origin: str
    tenant: str
    vkey: str
    since: str
    until: str | None


class WorkerRoot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker's key, which lives as long as its process, and its certificate by the platform's authority.

    Attributes:
        since: When it was certified, RFC 3339 in UTC.
        until: The last moment at which an entry in this pack was brought by it, likewise.
    """

    id: str
    public_key: bytes
    certificate: bytes
    since: str
    until: str


class TrustedRoot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose keys sign what, as the platform says it.

    Attributes:
        authority: Certifies workers, Ed25519, 32 bytes.
        witnesses: Their vkeys.
    """

    version: int
    authority: bytes
    logs: tuple[LogRoot, ...]
    witnesses: tuple[str, ...]
    workers: tuple[WorkerRoot, ...]


class CommitPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an entry stands in its commit: its number there, and its inclusion path under the commit's root."""

    index: int
    ordinal: int
    path: tuple[bytes, ...]


class CommitRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A commit as its worker signed it; see security.commit_signature.CommitStatement.

    Attributes:
        origin: Of the shard that holds it.
        log: Of the log that its worker signed it for, where that is another: a later shard's has its number behind it.
    """

    log: str | None = None
    origin: str
    commit: int
    count: int
    root: bytes
    watermark: bytes
    worker: str
    signature: bytes
    places: tuple[CommitPlace, ...]


def encode_part(part: msgspec.Struct) -> bytes:
    """Write a part, readable; bytes in base64."""
    return msgspec.json.format(msgspec.json.encode(part), indent=1) + b"\n"


def decode_part(content: bytes, form: type[T], name: str) -> T:
    """Read a part.

    Raises:
        MalformedPack: It is none of that form; the text says which file.
    """
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedPack(f"{name} of the pack is not what its name says") from exc
