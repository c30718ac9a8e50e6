"""Running one part of the benchmark from a command line: options, Ctrl-C, and what is printed or kept."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

import msgspec

from bench.brokers import BrokerKind
from bench.findings import Findings, Found, findings, keep
from bench.text import aim_lines, lines
from schemas.errors import SealstreamError
from sealstream.logs import configure_logs


def option(default: Any, what: str, *, choices: Sequence[str] | None = None) -> Any:
    """A field of a part's options, with what `--help` says about it."""
    return field(default=default, metadata={"help": what, "choices": choices})


@dataclass(frozen=True, slots=True)
class Options:
    """What every part can be told."""

    broker: BrokerKind | None = option(None, "default: Apache Kafka where Java and its jars are")


OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True, slots=True)
class Part(Generic[OptionsT]):
    """One part of the benchmark.

    Attributes:
        what: What it measures, for `--help`.
        full: Its options unless something else is said.
        quick: Its options with `--quick`.
    """

    name: str
    what: str
    measure: Callable[[OptionsT], Awaitable[Found]]
    full: OptionsT
    quick: OptionsT

    def parser(self) -> argparse.ArgumentParser:
        """The parser of `python -m bench.<name>`."""
        parser = argparse.ArgumentParser(prog=f"python -m bench.{self.name}", description=self.what)
        parser.add_argument("--quick", action="store_true", help="less of everything, to see whether it runs")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--keep", action="store_true", help="keep the findings for docs/performance.md")
        for each in fields(self.full):
            default, choices = getattr(self.full, each.name), each.metadata["choices"]
            many = isinstance(default, tuple)
            example = default[0] if many else default
            kind = BrokerKind if each.name == "broker" else float if example is None else type(example)
            text = f"{each.metadata['help']} ({' '.join(map(str, default)) if many else default})"
            parser.add_argument(
                f"--{each.name.replace('_', '-')}",
                type=kind,
                nargs="+" if many else None,
                choices=list(BrokerKind) if each.name == "broker" else choices,
                help=each.metadata["help"] if default is None else text,
            )
        return parser

    def options(self, given: argparse.Namespace) -> OptionsT:
        """What was asked for; what was not said is as in `full` or `quick`."""
        named = {each.name: getattr(given, each.name) for each in fields(self.full)}
        said = {name: tuple(value) if isinstance(value, list) else value for name, value in named.items()}
        chosen: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        return replace(self.quick if given.quick else self.full, **chosen)

    async def run(self, options: OptionsT) -> Findings:
        """Measure.

        Raises:
            SealstreamError: Something could not be started, stalled, or did not do all of its work.
        """
        started = time.perf_counter()
        found = await self.measure(options)
        return findings(self.name, command(self, options), time.perf_counter() - started, found)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command line."""
        given = self.parser().parse_args(arguments)
        configure_logs("warning")  # to stderr: stdout is the report's
        found = interruptible(lambda: self.run(self.options(given)))
        if given.keep:
            say(f"kept in {keep(found)}; `python -m bench.document` renews docs/performance.md")
        if given.json:
            print(msgspec.json.encode(found).decode())
        else:
            print("\n".join([*lines(found), "", *aim_lines([found])]))


def command(part: Part[OptionsT], options: OptionsT) -> str:
    """What to type to have the same measured again."""
    said = [
        f"--{each.name.replace('_', '-')} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for each in fields(options)
        if (value := getattr(options, each.name)) != getattr(part.full, each.name)
    ]
    return " ".join([f"python -m bench.{part.name}", *said])


T = TypeVar("T")


def interruptible(work: Callable[[], Awaitable[T]]) -> T:
    """Run; on SIGTERM and Ctrl-C everything that was started is stopped, and its directory removed."""

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work()

    try:
        return asyncio.run(run())
    except SealstreamError as exc:
        sys.exit(f"bench: {exc}")
    except asyncio.CancelledError:
        sys.exit("bench: interrupted")


def say(line: str) -> None:
    """Talk goes to stderr."""
    print(f"… {line}", file=sys.stderr, flush=True)
