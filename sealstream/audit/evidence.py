"""Evidence packs as files: making one with this installation's keys, and checking one anywhere."""

import datetime as dt
import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import ConfigurationError
from schemas.evidence_pack import MANIFEST, PACK_VERSION, LeftOut, MalformedPack, Manifest, encode_part
from security.evidence_pack import PackTrust, verify_pack
from security.receipt import Established

if TYPE_CHECKING:
    from agents.opening.reading import Reader
    from agents.platform.identity import Identity
    from agents.platform.knowledge import Knowledge
    from agents.reading.disclosing import Discloser
    from sealstream.audit.log_reading import Asked
    from sealstream.people.principals import Said
    from sealstream.settings import Settings
    from streams.storage.database import Database
    from streams.storage.witnessing import Showing

ENDING: Final = ".zip"
MAX_FILES: Final = 5_000_000
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


async def make_pack(
    settings: "Settings",
    asked: "Asked",
    path: Path,
    *,
    said: "Said",
    fields: bool = False,
    evidence: bool = False,
) -> int:
    """Write the evidence pack for a question; returns how many entries it holds.

    Raises:
        ConfigurationError: There is no such log, or no entry is like that.
        VerificationFailed: What is stored is not what the log says of it; no pack is left.
    """
    from agents.access.response import BASIS
    from agents.opening.reading import Reader
    from agents.reading.disclosing import Discloser
    from sealstream.audit.log_access import logs_of
    from sealstream.people.principals import open_readers
    from sealstream.wiring import connected, known_witnesses, open_identity, showing

    identity = open_identity(settings)
    async with connected(settings, "evidence", connections=2) as database:
        readers = await open_readers(settings, database, identity, said, max_tier=None if fields or evidence else 0)
        reader: Reader | Discloser = readers.reader
        if (by := readers.acting) is not None:
            async with database.session() as connection:
                logs = sorted({row.log_id for row in await logs_of(connection, asked.tenant)})
            await readers.look_at_logs("evidence", logs)
            reader = Discloser(readers.desk, by.who, by.purpose)
        return await pack_entries(
            database,
            identity,
            readers.knowledge,
            reader,
            asked,
            path,
            showing=showing(settings),
            witnesses=[verifier.vkey for _, verifier in known_witnesses(settings)],
            reading={"tier": readers.tier} if by is None else {"basis": BASIS},
            fields=fields,
            evidence=evidence,
        )


async def pack_entries(
    database: "Database",
    identity: "Identity",
    knowledge: "Knowledge",
    reader: "Reader | Discloser",
    asked: "Asked",
    path: Path,
    *,
    showing: "Showing",
    witnesses: Sequence[str],
    reading: Mapping[str, object],
    fields: bool,
    evidence: bool,
) -> int:
    """Write the pack by what is open already; see `make_pack`.

    Args:
        reader: Of whoever asks.
        witnesses: Their vkeys.
        reading: On what ground it is read, for the manifest.
    """
    from agents.log.tree import HeldOutside, NothingSigned, SignedTree
    from agents.reading.evidence_pack import PackMaker
    from sealstream.audit.log_access import logs_of
    from sealstream.audit.log_reading import question_of

    with _writing(path) as pack:
        maker = PackMaker(identity, knowledge, reader, pack.put, fields=fields, evidence=evidence)
        async with database.session() as connection:
            for _, rows in groupby(await logs_of(connection, asked.tenant), key=lambda row: row.log_id):
                trees = []
                for row in rows:
                    try:
                        trees.append(await SignedTree.newest(connection, row, showing=showing))
                    except NothingSigned:
                        continue
                    except HeldOutside as exc:
                        maker.left_out.append(LeftOut(f"entries/{row.folder}/", str(exc)))
                if trees:
                    await maker.add(trees, question_of(identity, trees[0].row.tenant, asked))
        if not maker.entries:
            raise ConfigurationError("no entry of the log is like that; no pack was written")
        maker.finish(witnesses)
        manifest = Manifest(
            version=PACK_VERSION,
            made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            question=_shown(asked) | dict(reading) | {"fields": fields, "messages": evidence},
            left_out=tuple(maker.left_out),
            files=pack.digests,
        )
        pack.write(MANIFEST, encode_part(manifest))
    return maker.entries


def check_pack(path: Path, trust: PackTrust) -> list[Established]:
    """Check a pack, offline; see security.evidence_pack.

    Raises:
        VerificationFailed: It is no pack, or something in it does not hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) > MAX_FILES:
                raise MalformedPack(f"the pack has more than {MAX_FILES} files")

            def read(name: str, limit: int) -> bytes:
                with archive.open(name) as file:
                    content = file.read(limit + 1)
                if len(content) > limit:
                    raise MalformedPack(f"{name} of the pack is larger than {limit} bytes")
                return content

            return verify_pack(names, read, trust)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, KeyError) as exc:
        raise MalformedPack("the pack is no ZIP archive that can be read: it is cut off or damaged") from exc


def _shown(asked: "Asked") -> dict[str, Any]:
    """The question for the manifest; a person only as the log names them."""
    import msgspec

    members = msgspec.to_builtins(asked.question) | {"tenant": asked.tenant}
    return {name: value for name, value in sorted(members.items()) if value}


class _Pack:
    """An archive that is being written, and the digests of what is in it. Equal contents give equal archives."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.digests: dict[str, str] = {}

    def put(self, name: str, content: bytes) -> None:
        """Add a file; one that is there already, with the same contents, is not added again."""
        digest = hashlib.sha256(content).hexdigest()
        if self.digests.setdefault(name, digest) != digest:
            raise RuntimeError(f"two files of a pack are called {name}")
        if name not in self._archive.NameToInfo:
            self.write(name, content)

    def write(self, name: str, content: bytes) -> None:
        """Add a file that the manifest does not name."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        self._archive.writestr(info, content)


@contextmanager
def _writing(path: Path) -> Iterator[_Pack]:
    """The archive has its name once it is whole."""
    if path.suffix != ENDING:
        raise ConfigurationError(f"{path.name} does not end in {ENDING}; name a file that does")
    part = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
            yield _Pack(archive)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
