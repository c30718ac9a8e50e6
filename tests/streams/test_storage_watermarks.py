import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.storage.commit import CommitStore
from streams.storage.database import Database
from streams.storage.watermarks import WatermarkStep, WatermarkText, encode_watermark, read_positions
from tests.support.commits import TOPIC, request, step


@given(
    st.lists(
        st.builds(
            WatermarkStep,
            topic=st.text(min_size=1, max_size=20),
            partition=st.integers(0, 2**31 - 1),
            from_offset=st.integers(0, 2**62),
            to_offset=st.integers(0, 2**62),
            first_ever=st.booleans(),
            last_digest=st.just(b""),
        ),
        max_size=6,
    ),
    st.randoms(),
)
def test_the_signed_text_tells_every_row_whatever_the_order_of_the_frames(
    steps: list[WatermarkStep], shuffled: object
) -> None:
    text = encode_watermark("g", "c", steps)
    shuffled.shuffle(steps)  # type: ignore[attr-defined]
    assert encode_watermark("g", "c", steps) == text
    read = msgspec.json.decode(text, type=WatermarkText)
    assert (read.group, read.cluster) == ("g", "c")
    assert sorted(read.steps) == sorted((*each.place, *span) for each in steps for span in each.spans())


async def test_positions_are_those_of_the_group_on_the_cluster_and_missing_where_there_is_none(dsn: str) -> None:
    async with Database(dsn, name="test") as database:
        for group, cluster, end in (("g", "c", 5), ("h", "c", 6), ("g", "d", 7)):
            store = CommitStore(database, group=group, cluster=cluster)
            await store.commit(request(1, [step(0, 0, end, first_ever=True), step(1, 3, 4, first_ever=True)]))
        await CommitStore(database, group="g", cluster="c").commit(request(2, [step(0, 5, 11)]))
        async with database.session() as connection:
            asked = [(TOPIC, 0), (TOPIC, 1), (TOPIC, 2), ("other", 0)]
            assert await read_positions(connection, "g", "c", asked) == {(TOPIC, 0): 11, (TOPIC, 1): 4}
            assert await read_positions(connection, "g", "d", asked[:1]) == {(TOPIC, 0): 7}
            assert await read_positions(connection, "nobody", "c", asked) == {}
            assert await read_positions(connection, "g", "c", []) == {}
