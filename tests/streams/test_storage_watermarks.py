import asyncio
import uuid

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.storage.commit import CommitStore
from streams.storage.database import Database
from streams.storage.watermarks import (
    Mark,
    StoredPosition,
    WatermarkMove,
    WatermarkStep,
    WatermarkText,
    encode_watermark,
    read_positions,
)
from tests.support.commits import TOPIC, request, step

TOPIC_ID = uuid.UUID(int=7)
MARK = Mark(TOPIC_ID, 3, 4, b"last")
PLACES = {"topic": st.text(min_size=1, max_size=20), "partition": st.integers(0, 2**31 - 1)}
OFFSETS = st.integers(0, 2**62)
MARKS = st.builds(
    Mark,
    st.none() | st.uuids(),
    st.none() | st.integers(0, 2**31 - 1),
    st.none() | OFFSETS,
    st.none() | st.binary(max_size=16),
)
STEPS = st.builds(WatermarkStep, **PLACES, from_offset=OFFSETS, to_offset=OFFSETS, first_ever=st.booleans(), mark=MARKS)
MOVES = st.builds(
    WatermarkMove,
    **PLACES,
    stored=st.none() | st.builds(StoredPosition, st.integers(0, 9), OFFSETS, MARKS),
    to_offset=OFFSETS,
    topic_id=st.none() | st.uuids(),
)


@given(st.lists(STEPS | MOVES, max_size=6, unique_by=lambda step: step.place), st.randoms())
def test_the_signed_text_tells_every_row_whatever_the_order_of_the_frames(
    steps: list[WatermarkStep | WatermarkMove], shuffled: object
) -> None:
    text = encode_watermark("g", "c", steps)
    shuffled.shuffle(steps)  # type: ignore[attr-defined]
    assert encode_watermark("g", "c", steps) == text
    read = msgspec.json.decode(text, type=WatermarkText)
    assert (read.group, read.cluster) == ("g", "c")
    assert read.marks is not None
    told = [(*named, *mark) for named, mark in zip(read.steps, read.marks, strict=True)]
    rows = [row for each in steps for row in each.rows()]
    assert sorted(told, key=repr) == sorted(
        ((row.topic, row.partition, row.from_offset, row.to_offset, row.era, *row.mark) for row in rows), key=repr
    )


def test_a_text_of_the_first_version_is_read() -> None:
    text = b'{"cluster":"c","group":"g","steps":[["t",0,-1,0],["t",0,0,5]]}'
    assert msgspec.json.decode(text, type=WatermarkText).marks is None


async def test_positions_are_those_of_the_group_on_the_cluster_and_missing_where_there_is_none(dsn: str) -> None:
    async with Database(dsn, name="test") as database:
        for group, cluster, end in (("g", "c", 5), ("h", "c", 6), ("g", "d", 7)):
            store = CommitStore(database, group=group, cluster=cluster)
            await store.commit(request(1, [step(0, 0, end, first_ever=True), step(1, 3, 4, first_ever=True)]))
        await CommitStore(database, group="g", cluster="c").commit(request(2, [step(0, 5, 11)]))
        async with database.session() as connection:

            async def offsets(group: str, cluster: str, partitions: int) -> dict[tuple[str, int], int]:
                asked = [(TOPIC, number) for number in range(partitions)] + [("other", 0)]
                found = await read_positions(connection, group, cluster, asked)
                return {place: position.offset for place, position in found.items()}

            assert await offsets("g", "c", 3) == {(TOPIC, 0): 11, (TOPIC, 1): 4}
            assert await offsets("g", "d", 1) == {(TOPIC, 0): 7}
            assert await offsets("nobody", "c", 3) == {}
            assert await read_positions(connection, "g", "c", []) == {}


async def test_a_position_comes_with_what_identifies_its_log(dsn: str) -> None:
    async with Database(dsn, name="test") as database:
        store = CommitStore(database, group="g", cluster="c")
        await store.commit(request(1, [WatermarkStep(TOPIC, 0, 0, 5, True, MARK)]))
        async with database.session() as connection:
            found = await read_positions(connection, "g", "c", [(TOPIC, 0)])
            rows = await connection.fetch("SELECT topic_id, last_digest FROM watermark_steps ORDER BY from_offset")
    assert found == {(TOPIC, 0): StoredPosition(0, 5, MARK)}
    assert type(found[TOPIC, 0].mark.topic_id) is uuid.UUID
    assert [tuple(row) for row in rows] == [(TOPIC_ID, None), (TOPIC_ID, b"last")]


async def test_a_move_begins_an_era_in_which_the_same_offsets_come_again(dsn: str) -> None:
    async with Database(dsn, name="test") as database, database.session() as connection:
        store = CommitStore(database, group="g", cluster="c")
        place = (TOPIC, 0)
        await store.commit(request(1, [WatermarkStep(*place, 0, 5, True, MARK)]))
        stored = (await read_positions(connection, "g", "c", [place]))[place]
        assert await store.commit(request(2, [WatermarkMove(*place, stored, 0, TOPIC_ID)])) == {place}
        assert (await read_positions(connection, "g", "c", [place]))[place] == StoredPosition(1, 0, Mark(TOPIC_ID))

        former = WatermarkStep(*place, 5, 9, False, MARK)
        assert await store.commit(request(3, [former])) == set(), "a worker that still reads the former era"
        early = WatermarkStep(*place, 0, 5, False, MARK)
        assert await store.commit(request(4, [early])) == set(), "likewise, at the same offset"
        for start, end in ((0, 5), (5, 9)):
            assert await store.commit(request(5, [WatermarkStep(*place, start, end, False, MARK, era=1)])) == {place}
        assert (await read_positions(connection, "g", "c", [place]))[place].offset == 9


async def test_a_move_loses_to_a_worker_that_was_faster(dsn: str) -> None:
    async with Database(dsn, name="test") as database, database.session() as connection:
        store = CommitStore(database, group="g", cluster="c")
        place = (TOPIC, 0)
        await store.commit(request(1, [WatermarkStep(*place, 0, 5, True, MARK)]))
        stored = (await read_positions(connection, "g", "c", [place]))[place]
        await store.commit(request(2, [WatermarkStep(*place, 5, 9, False, MARK)]))
        assert await store.commit(request(3, [WatermarkMove(*place, stored, 0, TOPIC_ID)])) == set()
        assert await store.commit(request(4, [WatermarkMove(*place, None, 0, TOPIC_ID)])) == set()
        assert (await read_positions(connection, "g", "c", [place]))[place].offset == 9


async def test_a_worker_and_a_move_at_the_same_time_are_one_after_the_other(dsn: str) -> None:
    """The second one waits for the row that closes the era, and then finds it there."""
    async with Database(dsn, name="test") as database, database.session() as connection:
        store = CommitStore(database, group="g", cluster="c")
        place = (TOPIC, 0)
        await store.commit(request(1, [WatermarkStep(*place, 0, 5, True, MARK)]))
        stored = (await read_positions(connection, "g", "c", [place]))[place]
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO watermark_steps (grp, cluster, topic, part, era, from_offset, to_offset, commit_id) "
            "VALUES ('g', 'c', $1, 0, 0, 5, 9, 2)",
            TOPIC,
        )
        moving = asyncio.create_task(store.commit(request(3, [WatermarkMove(*place, stored, 0, TOPIC_ID)])))
        await asyncio.sleep(0.2)
        assert not moving.done()
        await transaction.commit()
        assert await moving == set()
        assert (await read_positions(connection, "g", "c", [place]))[place].offset == 9
