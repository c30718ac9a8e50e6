"""Open what is sealed in a row, and compare it with the commitments of its leaf."""

from binascii import b2a_base64
from collections.abc import Mapping
from uuid import UUID

import asyncpg

from agents.audit.findings import LogReport, VerifyReport
from agents.audit.tier_keys import TierKeyCheck
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf
from security.opening import FieldOpener, OpenedField


class SealedFields:
    """Opens and compares fields of one log's rows.

    Args:
        opener: Opens fields up to the auditor's tier.
        tier_keys: Is told which shredded keys fields were sealed under.
    """

    def __init__(self, log: LogReport, report: VerifyReport, opener: FieldOpener, tier_keys: TierKeyCheck) -> None:
        self._tier_keys = tier_keys
        self._log = log
        self._report = report
        self._opener = opener

    def open(
        self,
        where: str,
        index: int,
        row: asyncpg.Record,
        name: UUID,
        blob: bytes,
        expected: Mapping[str, str],
        leaf: Leaf,
    ) -> Mapping[str, OpenedField] | None:
        """Open a record's or a message's fields and compare them; None when they don't open.

        Args:
            where: The record or message.
            index: Place of its leaf.
            name: Its id, by the leaf.
            expected: Field name to commitment, by the leaf.
            leaf: Says how the commitments were made.
        """
        try:
            opened = self._opener.open_record(self._log.tenant, row["domain"], name.bytes, row["pass_id"], blob)
        except VerificationFailed as exc:
            self._report.add(where, str(exc))
            return None
        # Fields of one record are committed to in one way.
        kind = next((found.kind for found in opened.values()), None)
        if kind is not None and kind.in_leaf != leaf.commitments:
            self._report.add(where, "its fields are committed to in another way than the leaf says")
            return None
        commit = kind.commit if kind is not None else None
        if expected.keys() != opened.keys():
            for field in sorted(expected.keys() ^ opened.keys()):
                self._report.add(f"{where}, field {field}", "stands in the leaf or in the row, not in both")
        agreed = 0
        for field, found in opened.items():
            if found.shredded_key is not None:
                self._log.fields_shredded += 1
                self._tier_keys.shredded(self._log, where, index, found.shredded_key)
            elif found.value is None or found.salt is None or commit is None:
                self._log.fields_sealed += 1
            elif (said := expected.get(field)) is not None:
                if b2a_base64(commit(found.salt, found.value), newline=False).decode() == said:
                    agreed += 1
                else:
                    self._report.add(f"{where}, field {field}", "its commitment is not the one in the leaf")
        self._log.fields_opened += agreed
        return opened
