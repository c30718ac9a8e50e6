"""Coverage-guided fuzzing of the decoders that face strangers: `make fuzz SECONDS=600`, `python -m bench.fuzz --help`.

The rule for every decoder: whatever comes in, only the errors that its documentation names come out, within bounded
time and memory. `targets` has the decoders with their errors, `seeds` sound inputs to begin from, `harness` is one run
of atheris, and the module itself runs them all, each in a process of its own.
"""
