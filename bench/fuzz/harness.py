"""One run of atheris over one decoder: `python -m bench.fuzz.harness TARGET [options of libFuzzer] CORPUS`.

Ends with status 0 when the time is over, and with another one at the first input that breaks the rule.
"""

import sys

import atheris

PACKAGES = ["schemas", "security", "streams", "agents"]


def main() -> None:
    """Instrument the packages, load the decoder, and fuzz it for ever or as long as libFuzzer is told to."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=PACKAGES):
        from bench.fuzz.targets import TARGETS

        decoder = TARGETS[name].load()
    atheris.Setup([sys.argv[0], *options], decoder.accepts)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
