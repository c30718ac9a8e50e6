"""Compare what was sealed beside a leaf with it: the ids that a look disclosed, the reason of a recovery or erasure.

The ids of a response give its Merkle root and its count, a reason its commitment.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from agents.access.look_log import DECISION_FIELD, PURPOSE_FIELD
from agents.audit.access_looks import AccessLooks
from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.findings import LogReport, VerifyReport
from agents.platform.actor import Pseudonyms
from agents.platform.knowledge import ACCESS_DOMAIN, REASON_FIELD
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf
from security.access.decision import FieldState
from security.access.decision_record import DecisionRecord
from security.access.look_record import LookRecord, read_look
from security.key_provider import KeyProvider
from security.merkle import leaf_hash, tree_root
from security.opening import FieldOpener, OpenedField
from security.tier_keys import TierKeys
from streams.storage import keys
from streams.storage.database import Connection

_IDS: Final = msgspec.msgpack.Decoder(list[bytes])


async def load_tier_keys(
    connection: Connection, provider: KeyProvider, max_tier: int
) -> tuple[TierKeys, list[VerificationFailed]]:
    """The stored tier keys up to a tier, opened, and why others don't open; nothing is made."""
    tier_keys, failures = TierKeys(max_tier), []
    for record in await keys.list_tier_keys(connection):
        if record.scope.domain != ACCESS_DOMAIN:
            try:
                tier_keys.add(record, provider)
            except VerificationFailed as exc:
                failures.append(exc)
    return tier_keys, failures


async def load_access_keys(connection: Connection, provider: KeyProvider) -> tuple[TierKeys, list[VerificationFailed]]:
    """The stored keys of disclosures, opened, and why others don't open; nothing is made."""
    access_keys, failures = TierKeys(), []
    for record in await keys.list_tier_keys(connection):
        if record.scope.domain == ACCESS_DOMAIN:
            try:
                access_keys.add(record, provider)
            except VerificationFailed as exc:
                failures.append(exc)
    return access_keys, failures


class DisclosureCheck:
    """Checks the disclosures of one log.

    Args:
        opener: Opens them if the auditor's tier allows it.
        keyring: Makes the pseudonyms of who looked.
        looks: Is told what was read by requests.
    """

    def __init__(
        self, log: LogReport, report: VerifyReport, opener: FieldOpener, keyring: KeyProvider, looks: AccessLooks
    ) -> None:
        self._log = log
        self._report = report
        self._opener = opener
        self._pseudonyms = Pseudonyms(keyring)
        self._looks = looks

    def check(self, work: CommitInWork, at: LeafInWork) -> None:
        """Check the row of a look."""
        row = work.only(self._report, "disclosures", at)
        if row is None:
            return
        compare_columns(self._report, at, row, "disclosure", {"tenant": self._log.tenant})
        name = (work.commit_id % (1 << 128)).to_bytes(16, "big")
        try:
            opened = self._opener.open_record(self._log.tenant, ACCESS_DOMAIN, name, row["pass_id"], row["sealed"])
            if at.leaf.kind in ("recover", "erase"):
                self._reason(at, opened.get(REASON_FIELD))
                return
            ids = opened["ids"].value if "ids" in opened else b""
            if ids is not None:
                self._compare(at, _IDS.decode(ids))
            if at.leaf.policy is not None or at.leaf.decision is not None:
                self._decisions(at, opened, ids)
        except msgspec.MsgspecError:
            self._report.add(at.where, "what it disclosed is no list of ids")
        except VerificationFailed as exc:
            self._report.add(f"{at.where}, disclosure", str(exc))

    def _reason(self, at: LeafInWork, reason: OpenedField | None) -> None:
        if reason is None:
            self._report.add(at.where, "the reason is not among what is sealed beside it")
        elif reason.kind.in_leaf != at.leaf.commitments:
            self._report.add(at.where, "the reason is committed to in another way than the leaf says")
        elif reason.commitment is not None and at.leaf.purpose != base64.b64encode(reason.commitment).decode():
            self._report.add(at.where, "purpose is not the commitment of the reason sealed beside it")

    def _decisions(self, at: LeafInWork, opened: Mapping[str, OpenedField], ids: bytes | None) -> None:
        """Compare a look by somebody's right with the decisions and the purpose that are sealed beside it."""
        for name in (PURPOSE_FIELD, DECISION_FIELD):
            said = getattr(at.leaf, name)
            field = opened.get(name)
            if field is None:
                self._report.add(at.where, f"its {name} is not among what is sealed beside it")
            elif field.commitment is not None and (
                field.kind.in_leaf != at.leaf.commitments or said != base64.b64encode(field.commitment).decode()
            ):
                self._report.add(at.where, f"{name} is not the commitment of what is sealed beside it")
        purpose, decision = opened.get(PURPOSE_FIELD), opened.get(DECISION_FIELD)
        if decision is None or decision.value is None or ids is None:
            return
        record = read_look(decision.value)
        for digest, records in record.grants:
            self._looks.used(self._log.tenant, digest, records)
        shown = [UUID(bytes=each) for each in _IDS.decode(ids)]
        for what in _contradictions(at.leaf, record, shown, self._pseudonyms.of(self._log.tenant, record.person)):
            self._report.add(at.where, what)
        if purpose is not None and purpose.value is not None and purpose.value != record.purpose.encode():
            self._report.add(at.where, "its decisions are for another purpose")

    def _compare(self, at: LeafInWork, ids: list[bytes]) -> None:
        root = tree_root([leaf_hash(each) for each in ids]).hex()
        if (at.leaf.count, at.leaf.unit) != (len(ids), root):
            self._report.add(at.where, "the ids it disclosed don't give count and unit of the leaf")
        self._report.disclosures += 1


def _contradictions(leaf: Leaf, record: LookRecord, shown: Sequence[UUID], actor: str) -> Iterator[str]:
    """What in the record of a look is not as its leaf says, or does not let it show what it showed."""
    version, _, digest = (leaf.policy or "").partition("@")
    if version != str(record.version) or any(each.policy != digest for each in record.decisions):
        yield "its decisions were made by other policies than it says"
    if leaf.actor != actor:
        yield "its decisions are somebody else's"
    if (leaf.grant or "") != ",".join(name for name, _ in record.grants):
        yield "it names other requests than its decisions"
    if shown and [str(name) for name in shown] != [name for name, _ in record.records]:
        yield "its decisions are over other records than it showed"
    opens = [_opens(each) for each in record.decisions]
    if shown and not all(any(opens[number] for number in of) for _, of in record.records):
        yield "it showed a record of which nothing is permitted"


def _opens(decision: DecisionRecord) -> bool:
    return any(state != FieldState.SEALED for state, _ in decision.answer.values())
