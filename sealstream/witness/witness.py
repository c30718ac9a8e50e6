"""A witness at work: agree, remember, then cosign, one request at a time. HTTP is sealstream.witness.server."""

import threading
from collections.abc import Callable, Iterable
from time import time

import structlog

from schemas.errors import VerificationFailed
from sealstream.witness.store import WitnessDirectory
from security.checkpoint import Checkpoint, parse_checkpoint
from security.cosignature import Cosigner
from security.note import Verifier, verify_note
from security.witness import NotConsistent, check_extends, checkpoint_of, parse_add_checkpoint
from streams.probe import Probe, no_probe

log = structlog.get_logger(__name__)


class DamagedState(VerificationFailed):
    """What the directory says was cosigned, this witness did not sign: it can't know where it is any more."""


class Witness:
    """Cosigns the checkpoints of the logs that it was told of, as long as each extends the one before.

    Nothing is kept in memory: what the disk says is what was promised. Methods block, and may be called from threads.

    Args:
        logs: Keys of the logs; a log's origin is the name of its key.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        directory: WitnessDirectory,
        cosigner: Cosigner,
        logs: Iterable[Verifier],
        *,
        clock: Callable[[], float] = time,
        probe: Probe = no_probe,
    ) -> None:
        self._directory = directory
        self._cosigner = cosigner
        self._logs: dict[str, list[Verifier]] = {}
        for verifier in logs:
            self._logs.setdefault(verifier.name, []).append(verifier)
        self._clock = clock
        self._probe = probe
        # Over comparing and remembering: a slow request must not put an older checkpoint over a newer one.
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> str:
        """Cosign a checkpoint; returns the signature line.

        Raises:
            Refusal: It is not cosigned, and nothing has changed.
            DamagedState: The state on disk is not what was cosigned.
            OSError: The state could not be written.
        """
        request = parse_add_checkpoint(body)
        agreed = checkpoint_of(request, self._logs)
        origin, text = agreed.checkpoint.origin, agreed.note.text
        with self._lock:
            last = self._last(origin)
            try:
                check_extends(request, agreed.checkpoint, last)
            except NotConsistent as exc:
                log.error(
                    "witness.not_consistent",
                    log=origin,
                    size=agreed.checkpoint.size,
                    cosigned=last.size if last else 0,
                    why=str(exc),
                    signed_note=request.note.decode(),
                )
                raise
            line = self._cosigner.cosign(text, int(self._clock())).line
            signatures = "".join(signature.line for signature in agreed.note.signatures)
            self._probe("agreed")
            self._directory.remember(origin, f"{text}\n{signatures}{line}".encode())
            self._probe("remembered")
        log.info("witness.cosigned", log=origin, size=agreed.checkpoint.size)
        return line

    def cosigned(self, name: str) -> bytes | None:
        """The last cosigned checkpoint, by the hex SHA-256 of its log's origin; None where there is none."""
        with self._lock:
            return self._directory.named(name)

    def _last(self, origin: str) -> Checkpoint | None:
        note = self._directory.last(origin)
        if note is None:
            return None
        try:
            last = parse_checkpoint(verify_note(note, [self._cosigner.verifier]).text)
        except VerificationFailed as exc:
            raise DamagedState(f"the state of log {origin} is not what this witness cosigned: {exc}") from exc
        if last.origin != origin:
            raise DamagedState(f"the state of log {origin} is another log's")
        return last
