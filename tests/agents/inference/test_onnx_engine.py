import hashlib
import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from agents.inference import InferenceFailed, ModelInput
from agents.inference.model_directory import read_manifest
from agents.inference.onnx_engine import OnnxEngine
from agents.inference.transaction_kind import MODEL_DIRECTORY, load_default_engine, model_input
from schemas.errors import ConfigurationError
from schemas.transaction import Transaction


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    loaded = load_default_engine()
    assert isinstance(loaded, OnnxEngine)
    return loaded


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODEL_DIRECTORY, tmp_path / "model"))


def change_manifest(directory: Path, **changes: object) -> None:
    path = directory / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_shipped_model_is_the_file_its_manifest_and_card_speak_of(engine: OnnxEngine):
    content = (MODEL_DIRECTORY / "model.onnx").read_bytes()
    manifest = read_manifest(MODEL_DIRECTORY)
    assert engine.model == manifest.identity
    assert manifest.files == {"model.onnx": hashlib.sha256(content).hexdigest()}
    assert engine.model.name == "transaction_kind"
    assert len(content) < 2_000_000
    card = (MODEL_DIRECTORY / "card.md").read_text(encoding="utf-8")
    assert all(f"`{label}`" in card for label in engine.model.labels)


@pytest.mark.parametrize(
    ("text", "amount", "sign", "kind"),
    [
        pytest.param("SEPA-BASISLASTSCHRIFT Stromabschlag Mai", "84.10", "DBIT", "direct_debit", id="de-direct-debit"),
        pytest.param("GELDAUTOMAT HAMBURG", "200.00", "DBIT", "cash_withdrawal", id="de-withdrawal"),
        pytest.param("Monthly account fee", "6.90", "DBIT", "fee", id="en-fee"),
        pytest.param("Credit interest 2024", "12.31", "CRDT", "interest", id="en-interest"),
        pytest.param("RETRAIT DAB PARIS", "60.00", "DBIT", "cash_withdrawal", id="fr-withdrawal"),
        pytest.param("PALKKA toukokuu", "2841.22", "CRDT", "salary", id="fi-salary"),
        pytest.param("BONIFICO A VOSTRO FAVORE fattura 12", "951.20", "CRDT", "credit_transfer_in", id="it-transfer"),
        pytest.param("BETAALAUTOMAAT SUPERMARKT UTRECHT", "23.15", "DBIT", "card_payment", id="nl-card"),
        pytest.param("代发工资", "8500.00", "CRDT", "salary", id="zh-salary"),
        pytest.param("转账手续费", "5.00", "DBIT", "fee", id="zh-fee"),
        pytest.param("存款利息", "3.27", "CRDT", "interest", id="zh-interest"),
        pytest.param("", "310.75", "CRDT", "credit_transfer_in", id="silent-credit"),
        pytest.param("", "310.75", "DBIT", "credit_transfer_out", id="silent-debit"),
    ],
)
def test_knows_the_obvious(engine: OnnxEngine, text: str, amount: str, sign: str, kind: str):
    (decision,) = engine.classify([ModelInput(text, Decimal(amount), sign)])
    assert decision.label == kind
    assert 0.0 < decision.confidence <= 1.0


def test_answers_a_frame_in_its_order_and_as_it_would_answer_each_alone(engine: OnnxEngine):
    texts = ["x " * n + word for n in (0, 3, 200, 1) for word in ("fee", "PALKKA", "", "利息", "ATM LEEDS") * 20]
    items = [ModelInput(text, Decimal(index), "DBIT") for index, text in enumerate(texts)]
    together = engine.classify(items)
    alone = [engine.classify([item])[0] for item in items]
    assert [decision.label for decision in together] == [decision.label for decision in alone]
    assert [d.confidence for d in together] == pytest.approx([d.confidence for d in alone], abs=1e-5)


def test_an_empty_frame_has_no_answers(engine: OnnxEngine):
    assert engine.classify([]) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 1_000_000, id="one-huge-word"),
        pytest.param("费" * 1_000_000, id="huge-chinese"),
        pytest.param("\x00\x01\x1b[31m\x7f", id="controls"),
        pytest.param("رسوم بنكية ‏עמלה", id="right-to-left"),
        pytest.param("fee利息Ünïcode๑ไทย한국어", id="mixed-scripts"),
        pytest.param("\ud800 broken \udfff", id="lone-surrogates"),
        pytest.param("🏧" * 100 + "\u0301" * 300, id="emoji-and-combining-marks"),
        pytest.param("\ufdfa" * 600, id="expanding-form"),
    ],
)
@pytest.mark.parametrize("amount", [None, Decimal(0), Decimal("1e30"), Decimal("NaN")])
def test_odd_input_still_gets_an_answer(engine: OnnxEngine, text: str, amount: Decimal | None):
    (decision,) = engine.classify([ModelInput(text, amount, None)])
    assert decision.label in engine.model.labels


def test_refuses_a_model_file_that_is_not_the_one_of_the_manifest(copied: Path):
    content = bytearray((copied / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copied / "model.onnx").write_bytes(content)
    with pytest.raises(ConfigurationError, match="SHA-256 differs"):
        OnnxEngine(copied)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        pytest.param(b"{", "not a model manifest", id="not-json"),
        pytest.param(b'{"name": "x"}', "not a model manifest", id="incomplete"),
        pytest.param(None, "name a model directory", id="absent"),
    ],
)
def test_refuses_a_directory_without_a_good_manifest(copied: Path, manifest: bytes | None, message: str):
    (copied / "model.json").unlink()
    if manifest is not None:
        (copied / "model.json").write_bytes(manifest)
    with pytest.raises(ConfigurationError, match=message):
        OnnxEngine(copied)


def test_refuses_a_missing_model_file(copied: Path):
    (copied / "model.onnx").unlink()
    with pytest.raises(ConfigurationError, match="restore"):
        OnnxEngine(copied)


def test_refuses_a_file_the_runtime_cannot_load(copied: Path):
    (copied / "model.onnx").write_bytes(b"no model")
    change_manifest(copied, files={"model.onnx": hashlib.sha256(b"no model").hexdigest()})
    with pytest.raises(ConfigurationError, match="cannot load"):
        OnnxEngine(copied)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"family": "encoder_head"}, "no hashed_bag model", id="another-family"),
        pytest.param({"modality": "text"}, "no hashed_bag model", id="another-modality"),
        pytest.param({"files": {}}, "no hashed_bag model", id="no-file"),
        pytest.param({"settings": {}}, "no feature parameters", id="no-settings"),
        pytest.param({"settings": {"buckets": 1}}, "no feature parameters", id="one-bucket"),
        pytest.param({"settings": {"buckets": 9, "shift": 2}}, "no feature parameters", id="a-setting-of-tomorrow"),
    ],
)
def test_refuses_a_manifest_of_another_kind_of_model(copied: Path, changes: dict[str, object], message: str):
    change_manifest(copied, **changes)
    with pytest.raises(ConfigurationError, match=message):
        OnnxEngine(copied)


def test_refuses_to_run_on_another_provider_than_the_one_asked_for(copied: Path):
    with pytest.raises(ConfigurationError, match="NoSuchExecutionProvider"):
        OnnxEngine(copied, provider="NoSuchExecutionProvider")


def test_an_answer_that_does_not_fit_the_labels_fails_the_frame(copied: Path):
    change_manifest(copied, labels=["one", "two"])
    with pytest.raises(InferenceFailed, match="number of answers"):
        OnnxEngine(copied).classify([ModelInput("fee", None, None)])


def test_ids_beyond_the_weight_table_fail_the_frame(copied: Path):
    settings = json.loads((copied / "model.json").read_text())["settings"]
    change_manifest(copied, settings=settings | {"buckets": 1 << 30})
    with pytest.raises(InferenceFailed, match="runtime"):
        OnnxEngine(copied).classify([ModelInput("fee", None, None)])


def test_the_model_never_sees_the_bank_transaction_code():
    plain = Transaction(amount=Decimal("1"), remittance_information="Invoice 7", counterparty_name="Alder Ltd")
    coded = Transaction(
        amount=Decimal("1"),
        remittance_information="Invoice 7",
        counterparty_name="Alder Ltd",
        bank_transaction_code="ACMT-MDOP-CHRG",
    )
    assert model_input(plain) == model_input(coded)


def test_the_model_sees_every_text_of_a_transaction_with_the_banks_words_first():
    transaction = Transaction(
        amount=Decimal("1.50"),
        credit_debit="DBIT",
        remittance_information="Invoice 7",
        additional_information="SEPA CT OUT",
        counterparty_name="Alder Ltd",
        purpose="SUPP",
    )
    assert model_input(transaction) == ModelInput("SEPA CT OUT\nInvoice 7\nSUPP\nAlder Ltd", Decimal("1.50"), "DBIT")


def test_importing_the_package_loads_no_numeric_library():
    probe = (
        "import sys, agents.inference, agents.inference.transaction_kind;"
        "sys.exit(bool({'numpy', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
