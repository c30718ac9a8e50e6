"""Measure the recognisers of the family `patterns` on labelled texts and write their model directory.

Nothing is trained: the confidence of a kind is the share of what its recognisers found that was right, with one right
and one wrong find added, so that a kind without labelled data says 0.5 and a handful of finds is no certainty.
"""

import argparse
from pathlib import Path
from typing import Final

import msgspec

from agents.inference.engine import ModelIdentity
from agents.inference.extraction_scores import ExtractionReport, evaluate_extraction
from agents.inference.model_directory import CARD_NAME, ModelManifest, write_directory
from agents.inference.patterns.model import KINDS, MODEL_DIRECTORY, PatternsModel
from sealstream.evaluators.presidio import load_presidio

VERSION: Final = "1.0.0"
_UNMEASURED: Final = 0.5


def measure(directory: Path) -> ExtractionReport:
    """What the recognisers find in all of Presidio's sentences."""
    identity = ModelIdentity("patterns", VERSION, "", KINDS)
    return evaluate_extraction(PatternsModel(identity, dict.fromkeys(KINDS, _UNMEASURED)), load_presidio(directory))


def confidences(report: ExtractionReport) -> dict[str, float]:
    """Measured precision by kind (strict), 0.5 for those that nothing was measured of."""
    measured = {each.kind: round((each.strict.right + 1) / (each.strict.found + 2), 3) for each in report.kinds}
    return {kind: measured.get(kind, _UNMEASURED) for kind in KINDS}


def main() -> None:
    """Write `patterns`' model directory: manifest and card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("presidio", type=Path, help="root of presidio-research")
    parser.add_argument("--output", type=Path, default=MODEL_DIRECTORY)
    arguments = parser.parse_args()
    report = measure(arguments.presidio)
    manifest = ModelManifest(
        name="patterns",
        version=VERSION,
        family="patterns",
        task="extract",
        modality="text",
        labels=KINDS,
        files={},
        settings={"confidence": confidences(report)},
    )
    card = _CARD.format(table=report.table(), unmeasured=", ".join(sorted(set(KINDS) - {k.kind for k in report.kinds})))
    written = write_directory(arguments.output, manifest, {CARD_NAME: card.encode()})
    print(msgspec.json.encode({"model": written.name, "digest": written.digest}).decode())


_CARD: Final = """# patterns: values that have a form

Finds payment identifiers, personal numbers, contacts, dates and amounts by their form; check digits decide where there
are any (python-stdnum: IBAN, BIC, LEI, Luhn, resident number of GB 11643, credit code of GB 32100, SSN). Nothing is
trained. Languages: forms are international, words around them English and Chinese.

Measured on all of Presidio's synthetic English (presidio-research, MIT), both files, GPE as LOCATION and so on as in
`sealstream.evaluators.presidio`. Three quarters of its templates were read while the recognisers were written: the
figures of the last quarter alone are in docs/extraction.md. All of it is made up: real texts hold more shapes that look
like something else, so expect less precision there.

{table}

The confidence of a value is that precision of its kind (strict), with one right and one wrong find added. It is 0.5 for
kinds that no labelled data exist for: {unmeasured}.

Known to be wrong or missing: job titles are no TITLE here (only Mr, Dr and the like, and Chinese forms of address
behind a name); a postal code needs a word, a US state or a national form beside it; a bare year needs a preposition;
the data set labels neither every year, nor every age and weekday, that its templates hold: such finds count as wrong
above. A telephone number is a shape: no numbering plan is asked. A UUID of version 4 is called a UETR.
"""

if __name__ == "__main__":
    main()
