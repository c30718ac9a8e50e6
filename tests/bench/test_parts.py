from dataclasses import dataclass

import pytest

from bench.brokers import BrokerKind
from bench.findings import Found
from bench.parts import Options, Part, command, option


@dataclass(frozen=True, slots=True)
class SomeOptions(Options):
    rounds: int = option(3, "rounds")
    rate: float | None = option(None, "a rate")
    sizes: tuple[int, ...] = option((1, 2), "sizes")


async def nothing(options: SomeOptions) -> Found:
    return Found("no broker", [], {"rounds": options.rounds}, [])


PART = Part("some", "Measures nothing.", nothing, SomeOptions(), SomeOptions(rounds=1))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], SomeOptions(), id="full"),
        pytest.param(["--quick", "--sizes", "7"], SomeOptions(rounds=1, sizes=(7,)), id="quick-and-more"),
        pytest.param(["--rate", "0.5", "--broker", "embedded"], SomeOptions(BrokerKind.EMBEDDED, rate=0.5), id="kinds"),
    ],
)
def test_options_come_from_the_command_line(arguments: list[str], expected: SomeOptions) -> None:
    assert PART.options(PART.parser().parse_args(arguments)) == expected


def test_the_command_of_a_run_gives_the_same_options_again() -> None:
    options = SomeOptions(BrokerKind.KAFKA, rounds=5, sizes=(4, 8))
    said = command(PART, options)
    assert said.startswith("python -m bench.some --")
    assert PART.options(PART.parser().parse_args(said.split()[3:])) == options


async def test_findings_say_where_they_come_from() -> None:
    found = await PART.run(SomeOptions(rounds=9))
    assert (found.part, found.command, found.figures) == ("some", "python -m bench.some --rounds 9", {"rounds": 9})
    assert found.machine.cores > 0
    assert found.machine.versions["aiokafka"]
