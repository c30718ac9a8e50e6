"""A dump restored into another server, whose transaction numbers begin anew: no commit is missed for ever."""

import subprocess
from pathlib import Path

from agents.inference.engine import Engine
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.embedded.installation import default_search_path, find_installation
from streams.storage.commit import CommitStore
from streams.storage.database import API_ROLE
from streams.storage.migrate import migrate
from tests.support.commits import certified, put_leaves
from tests.support.databases import connected
from tests.support.installation import Installation, installed


def run(program: str, *arguments: str) -> None:
    place = Path(find_installation(default_search_path(), None).program("postgres")).parent
    done = subprocess.run([str(place / program), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def work(platform: Installation, *commits: int) -> None:
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    for commit_id in commits:
        await put_leaves(store, worker, commit_id, platform.knowledge.owners["bank-a", "payments"].log, 3)


async def placed(platform: Installation) -> list[int]:
    # Registering the producers' keys takes the first numbers.
    rows = await platform.rows("SELECT commit_id FROM placements WHERE commit_id > 1000 ORDER BY first_index")
    return [row["commit_id"] for row in rows]


async def test_a_dump_in_another_server_is_sequenced_on(tmp_path: Path, engine: Engine) -> None:
    dump = tmp_path / "dump"
    with DataDirectory() as directory:
        async with EmbeddedPostgres(directory / "first", temporary=True) as first:
            await migrate(first.dsn)
            async with connected(first.dsn) as connection:
                for _ in range(3_000):  # or the restored numbers would not be ahead
                    await connection.execute("SELECT pg_current_xact_id()")
            async with installed(first.dsn, tmp_path / "keys", engine=engine) as platform:
                await work(platform, 1001, 1002)
                await platform.sequence()
                await work(platform, 1003)
            run("pg_dump", "-Fc", "-f", str(dump), first.dsn)
        async with EmbeddedPostgres(directory / "second", temporary=True) as second:
            async with connected(second.dsn) as connection:
                await connection.execute(f"CREATE ROLE {API_ROLE} NOLOGIN")  # no dump has roles
            run("pg_restore", "--no-owner", "-d", second.dsn, str(dump))
            async with installed(second.dsn, tmp_path / "keys", engine=engine) as platform:
                # Before any sequencer has run here: its numbers lie below everything that was seen in the first.
                await work(platform, 1004)
                sequencer = platform.sequencer()
                async with platform.database.session() as connection:
                    while await sequencer.step(connection):
                        pass
                    assert await placed(platform) == [1001, 1002, 1004, 1003]
                    await work(platform, 1005)
                    while await sequencer.step(connection):
                        pass
                await platform.sequence()
                await work(platform, 1006)
                await platform.sequence()
                assert await placed(platform) == [1001, 1002, 1004, 1003, 1005, 1006]
                report = await platform.audit()
                assert report.ok, [str(finding) for finding in report.findings]
