"""What others said about a log's checkpoints, compared with the checkpoints that its leaves give."""

from collections.abc import Sequence

from agents.audit.findings import LogReport, VerifyReport
from schemas.errors import VerificationFailed
from security.note import NoTrustedSignature, Verifier, verify_note
from streams.storage.witnessing import Cosignature


class AttestationCheck:
    """Checks the cosignatures of one log, checkpoint by checkpoint."""

    def __init__(
        self,
        log: LogReport,
        report: VerifyReport,
        cosignatures: Sequence[Cosignature],
        witnesses: Sequence[Verifier],
    ) -> None:
        self._log = log
        self._report = report
        self._witnesses = witnesses
        self._cosignatures: dict[int, list[Cosignature]] = {}
        for each in cosignatures:
            self._cosignatures.setdefault(each.size, []).append(each)

    def checkpoint(self, size: int, text: str) -> None:
        """Check what was said of a checkpoint whose root the leaves give."""
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

    def _wrong(self, cosignature: Cosignature, what: str) -> None:
        where = f"log {self._log.origin}, checkpoint {cosignature.size}, witness {cosignature.witness}"
        self._report.add(where, what)
