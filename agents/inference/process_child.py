"""The process that hosts models for a `ProcessDevice`: `python -m agents.inference.process_child FD PARENT [FD]`.

It reads from a socket that it inherits, answers one batch after the other, and ends when its owner does: the socket
ends, and on Linux the kernel kills it even in the middle of a call that never returns. From a second socket, if there
is one, another thread reads urgent batches and answers them by the same models; the first thread gives way to it.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from agents.inference.engine import InferenceFailed
from agents.inference.families import open_text_model
from agents.inference.giving_way import SWITCH_SECONDS, StoodStill, UrgentTime, give_way
from agents.inference.padding import Counted, Padding
from agents.inference.process_messages import (
    LENGTH,
    Done,
    Failed,
    Load,
    Loaded,
    Refused,
    Reply,
    Work,
    framed,
    read_request,
)
from agents.inference.text_model import DeviceFailed, TextModel
from schemas.errors import ConfigurationError

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> int:
    """Serve until the owner is gone; returns the exit code.

    Args:
        arguments: Descriptor of the socket, process id of the owner, descriptor of the socket for urgent batches.
    """
    descriptor, owner, *express = map(int, arguments)
    _end_with(owner)
    host = _Host()
    with socket.socket(fileno=descriptor) as channel:
        while (content := _read(channel)) is not None:
            request = read_request(content)
            reply = host.load(request) if isinstance(request, Load) else host.answer(request)
            channel.sendall(framed(reply))
            if express and isinstance(reply, Loaded):
                threading.Thread(target=host.serve_urgent, args=(express.pop(),), daemon=True).start()
                sys.setswitchinterval(SWITCH_SECONDS)
                give_way()
    return 0


class _Host:
    """The models of this process, for both of its threads."""

    def __init__(self) -> None:
        self._models: dict[str, TextModel] = {}
        self._urgent = UrgentTime()

    def load(self, request: Load) -> Reply:
        """Open models beside those that are there; says which there are, or why one can't be used."""
        try:
            for directory in request.directories:
                model = open_text_model(Path(directory), request.provider)
                self._models[f"{model.model.name}@{model.model.version}"] = model
        except ConfigurationError as exc:
            return Refused(str(exc))
        found = [model.model for model in self._models.values()]
        return Loaded(tuple((each.name, each.version, each.digest, each.labels) for each in found))

    def serve_urgent(self, descriptor: int) -> None:
        """Answer what comes there before anything else."""
        with socket.socket(fileno=descriptor) as channel:
            while (content := _read(channel)) is not None:
                request = read_request(content)
                assert isinstance(request, Work)
                channel.sendall(framed(self.answer(request, urgent=True)))

    def answer(self, request: Work, *, urgent: bool = False) -> Reply:
        """Answer a batch; whatever fails is a reply, so that the thread goes on.

        Args:
            urgent: In the express slot: what the other thread computes stands still meanwhile.
        """
        model = self._models.get(request.model)
        if model is None:
            return Failed(device=False, why=f"model {request.model[:100]!r} is not loaded on this device")
        before, still = _padding(model), StoodStill(self._urgent)
        try:
            with self._urgent.counted() if urgent else nullcontext():
                answers = tuple(model.answer(request.texts))
        except DeviceFailed as exc:
            return Failed(device=True, why=str(exc))
        except InferenceFailed as exc:
            return Failed(device=False, why=str(exc))
        except Exception as exc:
            # Of an error that nobody foresaw only the type is safe to repeat.
            return Failed(device=False, why=f"model {request.model} failed with {type(exc).__name__}")
        after, held = _padding(model), 0 if urgent else int(still.seconds() * 1e6)
        return Done(answers, after.tokens - before.tokens, after.padded - before.padded, held)


def _padding(model: TextModel) -> Padding:
    return model.padding if isinstance(model, Counted) else Padding()


def _read(channel: socket.socket) -> bytes | None:
    """The next message; None when the owner is gone."""
    head = _exactly(channel, LENGTH.size)
    return None if head is None else _exactly(channel, LENGTH.unpack(head)[0])


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    parts, left = [], size
    while left:
        part = channel.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _end_with(owner: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died before the kernel was asked.
    if os.getppid() != owner:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
