"""`python -m bench.claims`: what commits and searches cost among very many ids and terms, without their records."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.bending import findings_of, summary
from bench.findings import Found
from bench.growth import LAST_COMMITS, growing_database
from bench.parts import Options, Part, option, say
from bench.servers import running_servers


@dataclass(frozen=True, slots=True)
class ClaimOptions(Options):
    """How much to measure."""

    sizes: Sequence[int] = option((100_000, 10_000_000, 100_000_000), "ids at which to look; the first have records")
    commit: int = option(1_000, "records a commit")


async def measure_claims(options: ClaimOptions) -> Found:
    """Fill a database with records up to the first size, with ids and blind terms alone up to each other one.

    Raises:
        SealstreamError: Something could not be started.
    """
    first, *others = sorted(options.sizes)
    async with running_servers() as servers, growing_database(servers, "claims", options.commit) as growing:
        looks = [await growing.look(first)]
        for size in others:
            say(summary(looks[-1]))
            await growing.add_claims(size - growing.records - LAST_COMMITS * options.commit)
            looks.append(await growing.look(size))
        say(summary(looks[-1]))
        memory = await growing.shared_buffers()
    return findings_of(
        looks,
        f"{first:,} records by the product's own commits of {options.commit:,}, and {LAST_COMMITS} such commits for "
        "each further size; every other id, and a blind term for each, without the record: what a commit and a search "
        "meet. "
        f"PostgreSQL with shared_buffers of {memory}, everything else from the page cache as far as it reaches.",
    )


PART = Part(
    name="claims",
    what=__doc__,
    measure=measure_claims,
    full=ClaimOptions(),
    quick=ClaimOptions(sizes=(2_000, 10_000), commit=20),
)

if __name__ == "__main__":
    PART.main()
