"""Whether rows of access control are the platform's, asked of the key release: the key of their MACs stays there.

It vouches for nothing that it has not checked by itself: an adoption is signed by its person, and a first key is of
somebody who has none.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agents.platform.vouching import VouchedRow, agreed_of
from sealstream.release import messages
from sealstream.release.client import ask_once
from security.access.approval import SignedAct
from security.access.assertion import RelyingParty
from security.access.person import Person
from security.access.presented import Presented
from security.commit_signature import WorkerKey
from streams.storage.catalogue import EntryRow
from streams.storage.people import PersonRow
from streams.storage.policies import PolicyRow

AT_ONCE_BYTES: Final = 1 << 20
KEPT: Final = 50_000

_Asked = tuple[bytes, bytes, bytes]


class AskedVoucher:
    """Asks one release, and remembers what it said of each row as it stood."""

    def __init__(self, path: Path, worker: WorkerKey) -> None:
        self._path = path
        self._worker = worker
        self._ours: dict[_Asked, bool] = {}

    def learn(self, rows: Sequence[VouchedRow]) -> None:
        """Ask about rows that are not known as they stand."""
        unknown = [each for row in rows if (each := _asked(row)) not in self._ours]
        if len(self._ours) + len(unknown) > KEPT:
            self._ours.clear()
            unknown = list(map(_asked, rows))
        for some in _in_parts(unknown):
            answer = ask_once(self._path, self._worker, messages.AskVouched(some), messages.Vouched)
            self._ours.update(zip(some, answer.ours, strict=True))

    def is_ours(self, row: VouchedRow) -> bool:
        """What the release said; a row that it was not asked about is nobody's."""
        return self._ours.get(_asked(row), False)

    def first_key(self, person: Person, proof: Presented | None) -> PersonRow:
        """The row of a person who has a key from now on, and had none; whose credential it is, the release sees."""
        asked = messages.AskFirstKey(proof, person.jwk or {})
        return PersonRow(person, ask_once(self._path, self._worker, asked, messages.Mac).mac)

    def adopted_policy(self, row: PolicyRow, act: SignedAct, party: RelyingParty | None) -> bytes:
        """The MAC of a version that somebody adopts."""
        asked = messages.AskAdopted(None, act, _party(party))
        return ask_once(self._path, self._worker, asked, messages.Mac).mac

    def adopted_entry(self, row: EntryRow, act: SignedAct, party: RelyingParty | None) -> bytes:
        """Likewise of an entry of the catalogue."""
        asked = messages.AskAdopted((row.tenant, row.record_type), act, _party(party))
        return ask_once(self._path, self._worker, asked, messages.Mac).mac


def _in_parts(asked: Sequence[_Asked]) -> Iterator[Sequence[_Asked]]:
    """Some at a time: a policy's text may be long."""
    part: list[_Asked] = []
    size = 0
    for each in asked:
        if part and size + len(each[1]) > AT_ONCE_BYTES:
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each[1])
    if part:
        yield part


def _asked(row: VouchedRow) -> _Asked:
    return (*agreed_of(row), row.mac or b"")


def _party(party: RelyingParty | None) -> messages.Party | None:
    return None if party is None else messages.Party(party.rp_id, tuple(party.origins))
