"""A decoder under test. Which there are is bench.fuzz.targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Decoder(NamedTuple):
    """A decoder, imported.

    Attributes:
        run: Takes the fuzzer's bytes.
        errors: What it may raise.
    """

    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]

    def accepts(self, data: bytes) -> bool:
        """Whether it takes some bytes; raises what it must not."""
        try:
            self.run(data)
        except self.errors:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder that can be imported.

    Attributes:
        load: Imports it; called where imports are instrumented.
        seeds: Inputs that it takes.
    """

    name: str
    load: Callable[[], Decoder]
    seeds: Callable[[], Sequence[bytes]]
