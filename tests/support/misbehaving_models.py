"""A host of models that do what their texts say: hang, die, answer NaN or too few rows. Run as a program."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agents.inference import families, process_child
from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.model_directory import ModelDirectory, ModelManifest, write_directory
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer

FAMILY = "misbehaving"
UNTIL = "until there is "
"""Before a path: makes PATH.began and waits for a file at PATH."""
PROGRAM = (sys.executable, str(Path(__file__).resolve()))
MANIFEST = ModelManifest(
    name="odd", version="1", family=FAMILY, task="classify", modality="text", labels=("a", "b"), files={}
)


def write_odd(path: Path) -> Path:
    write_directory(path, MANIFEST, {})
    return path


class Odd:
    def __init__(self, model: ModelIdentity) -> None:
        self.model = model

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        return [PreparedText(text, b"", 1) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        return [answer for text in texts if (answer := self._one(text.text)) is not None]

    def _one(self, text: str) -> TextAnswer | None:
        if text.startswith(UNTIL):
            began, go = Path(f"{text.removeprefix(UNTIL)}.began"), Path(text.removeprefix(UNTIL))
            began.touch()
            while not go.exists():
                time.sleep(0.005)
        match text:
            case "hang":
                time.sleep(3_600)
            case "hang and ignore signals":
                signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
                time.sleep(3_600)
            case "spin":
                while True:  # holds the interpreter's lock
                    pass
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(0)
            case "nonsense":
                os.write(int(sys.argv[1]), b"\x05\x00\x00\x00nonsense")
            case "urgent nonsense":
                os.write(int(sys.argv[3]), b"\x05\x00\x00\x00nonsense")
            case "priority":
                return TextAnswer("a", os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) / 100)
            case "blame the device":
                raise DeviceFailed("the odd model blames the device")
            case "blame the work":
                raise InferenceFailed("the odd model blames the work")
            case "bug":
                raise ZeroDivisionError(text)
            case "nan":
                return TextAnswer("a", float("nan"))
            case "unknown label":
                return TextAnswer("c", 0.5)
            case "nothing":
                return None
        return TextAnswer("a", 0.75)


def load(directory: ModelDirectory, provider: str) -> Odd:
    return Odd(directory.manifest.identity)


if __name__ == "__main__":
    sys.modules["misbehaving_models"] = sys.modules["__main__"]
    families._LOADERS[FAMILY] = "misbehaving_models:load"
    sys.exit(process_child.main(sys.argv[1:]))
