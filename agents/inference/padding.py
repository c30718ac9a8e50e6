"""How much of what a model computed was padding: a count that only grows. Planning batches is `batching`."""

import threading
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Padding:
    """Tokens of texts, and tokens that were computed because of them.

    Attributes:
        tokens: Of the texts alone.
        padded: With what their batches were padded by.
    """

    tokens: int = 0
    padded: int = 0

    def __add__(self, other: "Padding") -> "Padding":
        return Padding(self.tokens + other.tokens, self.padded + other.padded)

    @property
    def waste(self) -> float:
        """Share of the computed tokens that was padding, 0 to 1."""
        return 1 - self.tokens / self.padded if self.padded else 0.0


class PaddingCount(threading.local):
    """What each thread has computed so far, counted apart: two may use a model at the same time."""

    def __init__(self) -> None:
        self.so_far = Padding()


@runtime_checkable
class Counted(Protocol):
    """Something that counts what it pads."""

    @property
    def padding(self) -> Padding:
        """Of everything so far; of a model, by the thread that asks."""
        ...
