"""Those outside who attest our checkpoints, as whoever asks them sees them: they answer, or they are away.

Witnesses are agents.log.witnessing, timestamp authorities agents.log.timestamping. HTTP is sealstream.attestor_client.
"""

from dataclasses import dataclass
from typing import Final

from schemas.errors import Unavailable

LONGEST_PAUSE: Final = 60.0
"""Seconds that one which is away is left alone; also one that refuses, which only its operator or ours mends."""


class AttestorAway(Unavailable):
    """No answer came, or none that means anything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over HTTP."""

    status: int
    content_type: str
    body: bytes


def pause_seconds(every: float, away_for: float, chance: float) -> float:
    """How long to leave one alone that is away; half of it is random, so that askers don't come back in step.

    Args:
        every: Seconds between rounds when all is well.
        away_for: Seconds since the first attempt that failed.
        chance: A random number from 0 to 1.
    """
    return min(LONGEST_PAUSE, every + away_for) * (0.5 + 0.5 * chance)
