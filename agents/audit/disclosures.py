"""Compare what was sealed beside a leaf with it: the ids that a look disclosed, the reason of a recovery or erasure.

The ids of a response give its Merkle root and its count, a reason its commitment.
"""

import base64
from typing import Final

import msgspec

from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.findings import LogReport, VerifyReport
from agents.platform import ACCESS_DOMAIN, REASON_FIELD
from schemas.errors import VerificationFailed
from security.key_provider import KeyProvider
from security.merkle import leaf_hash, tree_root
from security.sealing import FieldOpener, OpenedField
from security.tier_keys import TierKeys
from streams.storage import keys
from streams.storage.database import Connection

_IDS: Final = msgspec.msgpack.Decoder(list[bytes])


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
    """

    def __init__(self, log: LogReport, report: VerifyReport, opener: FieldOpener) -> None:
        self._log = log
        self._report = report
        self._opener = opener

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

    def _compare(self, at: LeafInWork, ids: list[bytes]) -> None:
        root = tree_root([leaf_hash(each) for each in ids]).hex()
        if (at.leaf.count, at.leaf.unit) != (len(ids), root):
            self._report.add(at.where, "the ids it disclosed don't give count and unit of the leaf")
        self._report.disclosures += 1
