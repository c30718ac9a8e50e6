"""Memory for batches, made once and used again: no batch allocates its own on the hot path."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

BUFFERS: Final = 2
"""Batches of one model at the same time: a device has two slots."""


class BatchBuffers:
    """Inputs and output of one batch, and the binding of a session to them.

    Attributes:
        binding: An `IOBinding` of ONNX Runtime.
    """

    def __init__(self, tokens: int, rows: int, dims: int, binding: Any) -> None:
        self.ids: npt.NDArray[np.int64] = np.zeros(tokens, dtype=np.int64)
        self.mask: npt.NDArray[np.int64] = np.zeros(tokens, dtype=np.int64)
        self.output: npt.NDArray[np.float32] = np.zeros(rows * dims, dtype=np.float32)
        self.binding = binding


class BufferPool:
    """A fixed number of buffers; who finds none waits for one."""

    def __init__(self, tokens: int, rows: int, dims: int, session: Any) -> None:
        """Make them.

        Args:
            tokens: Padded tokens of the largest batch.
            rows: Texts of the largest batch.
            dims: Numbers in a row of the output.
            session: Of ONNX Runtime.
        """
        self._free: LifoQueue[BatchBuffers] = LifoQueue()
        for _ in range(BUFFERS):
            self._free.put(BatchBuffers(tokens, rows, dims, session.io_binding()))

    @contextmanager
    def taken(self) -> Iterator[BatchBuffers]:
        """Buffers for one batch; what they hold is left from another."""
        buffers = self._free.get()
        try:
            yield buffers
        finally:
            self._free.put(buffers)
