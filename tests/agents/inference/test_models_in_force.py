"""Slots, the store and the opening of models: who answers which record, and what damaged models do to a worker."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.active_models import ActiveModels, ModelUnavailable, active_text_models, open_engine
from agents.inference.engine import ModelIdentity
from agents.inference.evaluation import decode_evaluations, encode_evaluations, refuse_if_worse
from agents.inference.model_directory import MANIFEST_NAME, open_directory, write_directory
from agents.inference.model_store import ModelStore, manifest_of
from agents.inference.slots import Slot, choose, slots_in_force
from agents.inference.standing import Changed, activated, active_version, retired, rolled_back, trial_version
from agents.inference.transaction_kind import MODEL_DIRECTORY, SHIPPED, load_default_engine
from agents.models.model_offer import read_offered
from schemas.errors import ConfigurationError, SealstreamError
from streams.health import Health, State
from streams.storage.models import ModelRow
from tests.support.models import measured, other_version

IDS = st.binary(min_size=16, max_size=16)


@dataclass(frozen=True)
class Opened:
    """A model that is open."""

    model: ModelIdentity


def row(version: str, **standing: object) -> ModelRow:
    return replace(
        ModelRow(name="kinds", version=version, digest=version.encode().hex().ljust(64, "0"), manifest=b"{}"),
        **standing,  # type: ignore[arg-type]  the fields of a row
    )


@given(IDS, st.integers(1, 99), st.binary(min_size=32, max_size=32))
def test_a_record_has_one_model_and_keeps_it_while_the_share_grows(record: bytes, share: int, salt: bytes) -> None:
    chosen = choose(Slot("active", "trial", share, salt), record)
    assert chosen == choose(Slot("active", "trial", share, salt), record)
    if chosen == "trial":
        assert choose(Slot("active", "trial", share + 1, salt), record) == "trial"


@given(IDS)
def test_a_shadow_answers_nothing(record: bytes) -> None:
    assert choose(Slot("active", "trial", 0, b"s"), record) == "active"
    assert choose(Slot("active"), record) == "active"


def test_a_share_is_that_share() -> None:
    slot = Slot("active", "trial", 10, b"salt")
    chosen = [choose(slot, n.to_bytes(16, "big")) for n in range(20_000)]
    assert 0.09 < chosen.count("trial") / len(chosen) < 0.11


def test_another_candidate_gets_other_records() -> None:
    one, other = (
        {n for n in range(1_000) if choose(Slot(0, 1, 50, salt), n.to_bytes(16, "big"))} for salt in (b"a", b"b")
    )
    assert 200 < len(one & other) < 300


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["activate", "share", "shadow", "rollback", "retire"]),
        st.sampled_from("abc"),
        st.integers(1, 99),
    ),
    max_size=25,
)


@given(STEPS)
def test_whatever_is_done_one_version_is_active_and_one_on_trial_at_most(
    steps: Sequence[tuple[str, str, int]],
) -> None:
    rows = [row(version) for version in "abc"]
    for step, version, share in steps:
        try:
            match step:
                case "activate":
                    changed = activated(rows, "kinds", version)
                case "share":
                    changed = activated(rows, "kinds", version, share=share)
                case "shadow":
                    changed = activated(rows, "kinds", version, shadow=True)
                case "rollback":
                    changed = rolled_back(rows, "kinds")
                case _:
                    changed = retired(rows, "kinds", version)
        except ConfigurationError:
            continue
        assert changed
        for each in changed:  # one statement after the other: the index allows no two at any moment
            rows = _with(rows, each)
            assert sum(found.stage == "active" for found in rows) <= 1
            assert sum(found.on_trial for found in rows) <= 1
        assert all(found.stage == "candidate" for found in rows if found.on_trial)
        assert trial_version(rows, "kinds") is None or active_version(rows, "kinds") is not None
        assert set(slots_in_force(rows)) == ({"kinds"} if active_version(rows, "kinds") else set())


def _with(rows: Sequence[ModelRow], changed: Changed) -> list[ModelRow]:
    return [changed.row if found.version == changed.row.version else found for found in rows]


def test_rolling_back_goes_to_the_version_that_was_active_before() -> None:
    rows = [row("a", stage="active"), row("b"), row("c")]
    for version in "bc":
        for each in activated(rows, "kinds", version):
            rows = _with(rows, each)
    for before in "ba":
        for each in rolled_back(rows, "kinds"):
            rows = _with(rows, each)
        found = active_version(rows, "kinds")
        assert found is not None
        assert found.version == before
    with pytest.raises(ConfigurationError):
        rolled_back(rows, "kinds")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def kept(store: ModelStore, tmp_path: Path) -> ModelRow:
    """A registered version of the shipped model, which lies in the store."""
    offered = read_offered(other_version(tmp_path / "offered"))
    store.keep(offered.directory, offered.row.card)
    return replace(offered.row, stage="active")


def test_what_is_kept_can_be_opened_and_is_kept_once(store: ModelStore, kept: ModelRow) -> None:
    place = store.find(kept)
    assert place == store.place(kept.name, kept.version, kept.digest)
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    store.keep(open_directory(place), kept.card)
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    assert open_engine(store, kept).model.digest == kept.digest


def test_what_was_damaged_in_the_store_is_mended_by_adding_it_again(
    store: ModelStore, kept: ModelRow, tmp_path: Path
) -> None:
    (store.find(kept) / "model.onnx").write_bytes(b"")
    offered = read_offered(tmp_path / "offered")
    store.keep(offered.directory, offered.row.card)
    assert open_engine(store, kept).model.digest == kept.digest


def test_a_store_that_can_not_be_written_is_named(kept: ModelRow, store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match="SEALSTREAM_MODEL_STORE"):
        ModelStore(tmp_path / "file" / "store").keep(open_directory(store.find(kept)), "")


def truncated(place: Path) -> None:
    path = place / "model.onnx"
    path.write_bytes(path.read_bytes()[:1000])


def other_model(place: Path) -> None:
    shutil.rmtree(place)
    shutil.copytree(MODEL_DIRECTORY, place)


def gone(place: Path) -> None:
    shutil.rmtree(place)


def no_manifest(place: Path) -> None:
    (place / MANIFEST_NAME).write_bytes(b"[" * 100_000)


DAMAGES = [truncated, other_model, gone, no_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_that_can_not_be_opened_leaves_the_set_before_and_says_so(
    store: ModelStore, kept: ModelRow, damage: Callable[[Path], None]
) -> None:
    health = Health()
    shipped = load_default_engine()
    models = ActiveModels(store, "transaction", open_engine, health, [shipped])
    assert models.use([])["transaction_kind"].active is shipped
    damage(store.find(kept))
    with pytest.raises(ModelUnavailable, match="models rollback"):
        models.use([kept])
    assert models.slots["transaction_kind"].active is shipped
    assert health.alive
    assert health.parts()["models"].state is State.WAITING
    models.use([])
    assert health.ready


def onnx_file(place: Path, content: bytes) -> Path:
    """A model of whole files whose graph is something else."""
    opened = open_directory(MODEL_DIRECTORY)
    write_directory(place, msgspec.structs.replace(opened.manifest, version="9"), {"model.onnx": content})
    (place / "card.md").write_text("# 9\n")
    return place


def other_opset(content: bytes) -> bytes:
    import onnx

    graph = onnx.load_from_string(content)
    graph.opset_import[0].version = 999
    return bytes(graph.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"\0" * 64, None], ids=["empty", "zeros", "another-opset"])
def test_a_graph_that_the_runtime_refuses_is_unavailable(
    store: ModelStore, tmp_path: Path, content: bytes | None
) -> None:
    graph = other_opset(open_directory(MODEL_DIRECTORY).files["model.onnx"]) if content is None else content
    offered = read_offered(onnx_file(tmp_path / "odd", graph))
    store.keep(offered.directory, "")
    models = ActiveModels(store, "transaction", open_engine, Health(), [load_default_engine()])
    with pytest.raises(ModelUnavailable, match="cannot load"):
        models.use([replace(offered.row, stage="active")])


def test_a_text_model_of_a_family_that_nobody_opens_is_unavailable(store: ModelStore, tmp_path: Path) -> None:
    path = other_version(tmp_path / "text", name="topics", modality="text", family="of_tomorrow")
    offered = read_offered(path)
    store.keep(offered.directory, offered.row.card)
    health = Health()
    models = active_text_models(store, health)
    with pytest.raises(ModelUnavailable, match="no loader"):
        models.use([replace(offered.row, stage="active")])
    assert models.slots == {}
    assert health.alive


def test_only_models_of_its_modality_are_opened(store: ModelStore, kept: ModelRow) -> None:
    assert active_text_models(None, Health()).use([kept]) == {}


def test_without_a_store_only_what_is_shipped_can_be_in_force(kept: ModelRow) -> None:
    shipped = load_default_engine()
    models = ActiveModels(None, "transaction", open_engine, Health(), [shipped])
    offered = read_offered(MODEL_DIRECTORY)
    assert models.use([replace(offered.row, stage="active")])["transaction_kind"].active is shipped
    with pytest.raises(ModelUnavailable, match="SEALSTREAM_MODEL_STORE"):
        models.use([kept])


def test_what_is_open_is_not_opened_again(store: ModelStore, kept: ModelRow) -> None:
    opened: list[str] = []

    def open_one(_: ModelStore, found: ModelRow) -> Opened:
        opened.append(found.version)
        return Opened(manifest_of(found).identity)

    models = ActiveModels(store, "transaction", open_one, Health())
    first = models.use([kept])
    assert models.use([replace(kept, metrics=b"{ }")]) == first
    assert opened == [kept.version]
    models.use([])
    models.use([kept])
    assert opened == [kept.version, kept.version]


@given(st.binary(max_size=200))
def test_a_row_with_any_manifest_is_refused_in_our_words(manifest: bytes) -> None:
    with pytest.raises(SealstreamError):
        manifest_of(row("a", manifest=manifest))
    with pytest.raises(ModelUnavailable):
        active_text_models(None, Health()).use([row("a", manifest=manifest, stage="active")])


def test_the_shipped_model_is_among_those_that_an_audit_knows() -> None:
    assert load_default_engine().model.reference in SHIPPED


@pytest.mark.parametrize(
    "card",
    [pytest.param(b"\xff", id="no-text"), pytest.param(b"a\0b", id="nul"), pytest.param(b" " * (1 << 19), id="long")],
)
def test_a_card_is_text_of_some_length(tmp_path: Path, card: bytes) -> None:
    path = other_version(tmp_path / "offered")
    (path / "card.md").write_bytes(card)
    with pytest.raises(ConfigurationError, match=r"card\.md"):
        read_offered(path)


def test_evaluations_are_read_back_and_anything_else_is_refused() -> None:
    both = {"a": measured(0.5), "b": measured(0.25, dataset="b")}
    assert decode_evaluations(encode_evaluations(both)) == both
    for content in (b"", b"[]", b'{"a": 1}', b"[" * 100_000):
        with pytest.raises(ConfigurationError):
            decode_evaluations(content)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_version_may_lose_what_is_allowed_and_no_more(candidate: float, active: float, allowed: float) -> None:
    sets = {"entries": measured(candidate)}, {"entries": measured(active)}
    if active - candidate > allowed:
        with pytest.raises(ConfigurationError, match="worse"):
            refuse_if_worse(*sets, allowed)
    else:
        refuse_if_worse(*sets, allowed)
