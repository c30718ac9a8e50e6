"""`python -m bench`, which is `make bench`: all parts in one run, each figure beside its aim, docs/performance.md anew.

Long backlogs and row counts are run by themselves: `python -m bench.backlog --records 1000000`, `python -m bench.rows`,
`python -m bench.claims`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from bench import backlog, latency, log, scheduling, steps, throughput, transport, trust
from bench.brokers import BrokerKind
from bench.document import write
from bench.findings import Findings, keep
from bench.parts import Part, interruptible, say
from bench.text import aim_lines, lines

PARTS: Final[Sequence[Part[Any]]] = (
    throughput.PART,
    transport.PART,
    latency.PART,
    backlog.PART,
    steps.PART,
    trust.PART,
    log.PART,
    scheduling.PART,
)


async def run(names: Sequence[str], broker: BrokerKind | None, *, quick: bool) -> list[Findings]:
    """Run these parts, one after the other, each with servers of its own.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    found: list[Findings] = []
    for part in PARTS:
        if part.name not in names:
            continue
        say(f"part {part.name}")
        options = replace(part.quick if quick else part.full, broker=broker)
        if part is latency.PART:
            options = replace(options, capacity=_capacity(found))
        found.append(await part.run(options))
        print("\n".join([*lines(found[-1]), ""]), flush=True)
    return found


def _capacity(found: Sequence[Findings]) -> float | None:
    """What the pipeline could do in this very run, so that it need not be measured a second time."""
    rates = [each.figures.get("ours") for each in found if each.part == throughput.PART.name]
    return rates[0] if rates else None


def main() -> None:
    names = tuple(part.name for part in PARTS)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything; docs/performance.md stays as it is")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, help="only these")
    parser.add_argument("--broker", type=BrokerKind, choices=list(BrokerKind), help="default: Kafka if it is there")
    given = parser.parse_args()
    found = interruptible(lambda: run(given.parts, given.broker, quick=given.quick))
    print("\n".join(aim_lines(found)))
    if not given.quick:
        for each in found:
            keep(each)
        say(f"wrote {write()}")


if __name__ == "__main__":
    main()
