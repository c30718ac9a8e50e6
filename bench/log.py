"""`python -m bench.log`: the audit log: durable leaves a second and how soon they are placed, looks, proofs, audits.

Beside it on the same machine the POSIX driver of Tessera, an implementation of the same log in Go (bench/tessera).
"""

from dataclasses import dataclass

from pydantic import SecretStr

from agents.audit import Depth
from bench.findings import Found, Table
from bench.log_findings import Told
from bench.log_peer import tessera
from bench.log_reading import READERS, audited, looks, proofs
from bench.log_writing import PROCESSES, records, sequenced
from bench.parts import Options, Part, option, say
from bench.servers import Servers, running_servers
from sealstream.settings import Settings
from sealstream.wiring import open_identity
from streams.storage.database import Database


@dataclass(frozen=True, slots=True)
class LogOptions(Options):
    """How much to measure."""

    commits: int = option(1_000, "commits of each of the two writers")
    leaves: int = option(500, "leaves of a commit")
    looks: int = option(2_000, "single leaves by 50 readers at a time")
    records: int = option(10_000, "records for the audit of rows")
    large: int = option(10_000_128, "leaves of the larger tree to prove in; a multiple of 256")
    tessera: int = option(200_000, "entries for Tessera; 0: without it")


async def measure_log(options: LogOptions) -> Found:
    """Measure all of it.

    Raises:
        SealstreamError: Something could not be started.
    """
    told = Told()
    async with running_servers() as servers:
        async with servers.database("log") as dsn, Database(dsn, name="bench log") as database:
            settings = _settings(servers, dsn)
            identity = open_identity(settings)
            say(f"{PROCESSES} writers, {options.commits} commits of {options.leaves} leaves each")
            await sequenced(settings, dsn, database, identity, options.commits, options.leaves, told)
            say("audits of what they wrote")
            for depth in (Depth.CHECKPOINTS, Depth.TREE):
                await audited(settings, depth, told)
            say(f"{READERS} readers")
            await looks(database, identity, options.looks, told)
        async with servers.database("rows") as dsn, Database(dsn, name="bench rows") as database:
            say(f"audit of {options.records:,} records")
            await records(servers, database, options.records, told)
            await audited(_settings(servers, dsn), Depth.ROWS, told)
        async with servers.database("tree") as dsn, Database(dsn, name="bench tree") as database:
            for size in (1_024, options.large):
                say(f"proofs in a tree of {size:,} leaves")
                await proofs(database, open_identity(servers.settings), size, told)
    if options.tessera:
        say("Tessera")
        await tessera(options.tessera, told)
    return Found(
        broker="no broker",
        setting=[
            f"{PROCESSES} writing processes, the sequencer and the database on the same machine; durable commits."
        ],
        figures=told.figures,
        tables=[Table("The audit log", ("", ""), told.rows)],
    )


def _settings(servers: Servers, dsn: str) -> Settings:
    return servers.settings.model_copy(update={"database_url": SecretStr(dsn)})


PART = Part(
    name="log",
    what=__doc__,
    measure=measure_log,
    full=LogOptions(),
    quick=LogOptions(commits=20, leaves=100, looks=100, records=500, large=65_536, tessera=0),
)

if __name__ == "__main__":
    PART.main()
