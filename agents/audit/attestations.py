"""What others said about a log's checkpoints, compared with the checkpoints that its leaves give."""

from collections.abc import Sequence

from cryptography import x509

from agents.audit.findings import LogReport, VerifyReport
from schemas.errors import VerificationFailed
from security.note import NoTrustedSignature, Verifier, parse_note, verify_note
from security.timestamp import verify_timestamp
from streams.storage.timestamping import StoredTimestamp
from streams.storage.witnessing import Cosignature


class AttestationCheck:
    """Checks cosignatures and timestamps of one log, checkpoint by checkpoint."""

    def __init__(
        self,
        log: LogReport,
        report: VerifyReport,
        cosignatures: Sequence[Cosignature],
        witnesses: Sequence[Verifier],
        timestamps: Sequence[StoredTimestamp],
        authorities: Sequence[x509.Certificate],
    ) -> None:
        self._log = log
        self._report = report
        self._witnesses = witnesses
        self._cosignatures: dict[int, list[Cosignature]] = {}
        for each in cosignatures:
            self._cosignatures.setdefault(each.size, []).append(each)

        self._timestamps = {each.size: each for each in timestamps}
        self._authorities = authorities

    def checkpoint(self, size: int, note: bytes) -> None:
        """Check what was said of a checkpoint, given as stored, whose root the leaves give."""
        text = parse_note(note).text
        self._cosigned(size, text)
        if (stamped := self._timestamps.pop(size, None)) is not None:
            self._timestamp(stamped, note)

    def _timestamp(self, stamped: StoredTimestamp, note: bytes) -> None:
        where = f"log {self._log.origin}, checkpoint {stamped.size}, timestamp"
        if not self._authorities:
            self._log.timestamps_unchecked += 1
            return
        try:
            seen = verify_timestamp(stamped.response, note, self._authorities)
        except VerificationFailed as exc:
            self._report.add(where, str(exc))
            return
        if seen != stamped.stamped_at:
            self._report.add(where, "its row tells another time than was signed")
            return
        self._log.timestamps += 1

    def _cosigned(self, size: int, text: str) -> None:
        for each in self._cosignatures.pop(size, []):
            try:
                signatures = verify_note(f"{text}\n{each.line}".encode(), self._witnesses).signatures
            except NoTrustedSignature:
                self._log.cosignatures_unknown += 1
                continue
            except VerificationFailed as exc:
                self._wrong(each, str(exc))
                continue
            if [(found.name, found.line) for found in signatures] != [(each.witness, each.line)]:
                self._wrong(each, "its row is not one line of this witness")
                continue
            self._log.cosignatures += 1

    def finish(self) -> None:
        """Name what was said of no checkpoint."""
        for _, rows in sorted(self._cosignatures.items()):
            for each in rows:
                self._wrong(each, "there is no such checkpoint, or not with this root")
        for size in sorted(self._timestamps):
            where = f"log {self._log.origin}, checkpoint {size}, timestamp"
            self._report.add(where, "there is no such checkpoint, or not with this root")

    def _wrong(self, cosignature: Cosignature, what: str) -> None:
        where = f"log {self._log.origin}, checkpoint {cosignature.size}, witness {cosignature.witness}"
        self._report.add(where, what)
