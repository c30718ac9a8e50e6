from decimal import Decimal
from pathlib import Path

import pytest

from tests.shared_data import shared

pytest.importorskip("sklearn", reason="training needs the extra `train`")
pytest.importorskip("onnx", reason="training needs the extra `train`")

import numpy as np

from agents.inference import InferenceFailed, ModelInput
from agents.inference.onnx_engine import OnnxEngine
from agents.inference.transaction_kind import MODEL_DIRECTORY
from sealstream.evaluators.bank_transaction_kinds import kind_of_code
from sealstream.evaluators.camt_entries import coded_entries
from sealstream.evaluators.report import class_table, score
from sealstream.samples.narratives import KINDS
from sealstream.training import hashed_bag, transaction_kind
from sealstream.training.transaction_kind_examples import make_examples, split_wordings

SIZE = 1_500


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained")
    assert transaction_kind.main(["--output", str(output), "--size", str(SIZE), "--data", str(output)]) == 0
    return output


def test_training_writes_a_model_that_loads_and_has_learned(trained: Path):
    engine = OnnxEngine(trained)
    fresh = make_examples(500, seed=77)
    labels = [decision.label for decision in engine.classify(fresh.inputs)]
    assert set(engine.model.labels) == set(KINDS)
    assert score(fresh.kinds, labels).accuracy > 0.7
    assert "Not measured" in (trained / "card.md").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_bytes(trained: Path, tmp_path: Path):
    transaction_kind.train(tmp_path, SIZE)
    for name in ("model.onnx", "model.json"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


@pytest.fixture(scope="module")
def fitted() -> "hashed_bag.LogisticRegression":
    examples = make_examples(1_000, seed=5)
    return hashed_bag.fit(hashed_bag.matrix(examples.inputs, transaction_kind.FEATURES), examples.kinds, 6.0, 30)


def write_model(directory: Path, model: "hashed_bag.LogisticRegression") -> OnnxEngine:
    transaction_kind.write_model(directory, model)
    return OnnxEngine(directory)


def test_onnx_runtime_computes_what_scikit_learn_computes(fitted: "hashed_bag.LogisticRegression", tmp_path: Path):
    items = [*make_examples(300, seed=6).inputs, ModelInput("", None, None), ModelInput("word " * 200, None, "CRDT")]
    expected = fitted.predict_proba(hashed_bag.matrix(items, transaction_kind.FEATURES))
    actual = write_model(tmp_path, fitted).probabilities(items)
    assert float(np.abs(actual - expected).max()) < 1e-5


def test_a_model_that_gives_no_number_fails_the_frame(tmp_path: Path):
    examples = make_examples(300, seed=5)
    model = hashed_bag.fit(hashed_bag.matrix(examples.inputs, transaction_kind.FEATURES), examples.kinds, 1.0, 3)
    model.intercept_ = model.intercept_ * np.nan
    with pytest.raises(InferenceFailed, match="no distribution"):
        write_model(tmp_path, model).classify([ModelInput("fee", Decimal(1), "DBIT")])


def test_held_out_wordings_are_not_trained_on():
    kept, held = split_wordings(1)
    for kind in KINDS:
        for language, phrases in kept[kind].items():
            if len(phrases) > 3:
                assert not set(phrases) & set(held[kind][language])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param("PMNT-RCDT-ESCT", "credit_transfer_in", id="received-transfer"),
        pytest.param("PMNT-ICDT-ESCT", "credit_transfer_out", id="issued-transfer"),
        pytest.param("PMNT-ICDT-RRTN", "return", id="subfamily-before-family"),
        pytest.param("PMNT-RCDT-CHRG", "fee", id="charge-of-a-payment"),
        pytest.param("ACMT-MCOP-INTR", "interest", id="interest"),
        pytest.param("PMNT-CCRD-CWDL", "cash_withdrawal", id="card-withdrawal"),
        pytest.param("SECU-CORP-DVCA", "other", id="securities"),
        pytest.param("PRTRY: incoming wire", "credit_transfer_in", id="plain-words"),
        pytest.param("PRTRY:544", None, id="proprietary-number"),
        pytest.param("PMNT-NTAV-NTAV", None, id="not-available"),
        pytest.param("PAYM-0001-CHRG", None, id="unknown-domain"),
        pytest.param("", None, id="empty"),
    ],
)
def test_kind_of_a_code(code: str, kind: str | None):
    assert kind_of_code(code) == kind


def test_scores_name_rare_classes_instead_of_averaging_them():
    gold = ["fee"] * 6 + ["tax"] * 2
    scores = score(gold, ["fee"] * 5 + ["tax"] * 3)
    assert scores.accuracy == pytest.approx(7 / 8)
    assert scores.macro_f1 == pytest.approx(2 * 5 / (6 + 5))
    assert "| fee | 6 | 1.00 | 0.83 | 0.91 |" in class_table(scores)
    assert "tax 2 of 2" in class_table(scores)


CAMT = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn><Ntfctn>
<Ntry><Amt Ccy="EUR">30.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls>
<TxDtls><Amt Ccy="EUR">10.00</Amt><RltdPties><Dbtr><Pty><Nm>Alder</Nm></Pty></Dbtr></RltdPties>
<RmtInf><Ustrd>Invoice</Ustrd><Ustrd>7</Ustrd></RmtInf></TxDtls>
<TxDtls><Amt Ccy="EUR">20.00</Amt><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>RRTN</SubFmlyCd></Fmly>
</Domn></BkTxCd></TxDtls></NtryDtls><AddtlNtryInf>Batch</AddtlNtryInf></Ntry>
<Ntry><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><BkTxCd><Prtry><Cd>544</Cd></Prtry></BkTxCd></Ntry>
</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"""


def test_coded_entries_are_read_once_each_and_uncoded_ones_left_out(tmp_path: Path):
    (tmp_path / "one.xml").write_text(CAMT)
    (tmp_path / "copy.xml").write_text(CAMT)
    (tmp_path / "broken.xml").write_text("<Document>")
    first, second = coded_entries(tmp_path)
    assert (first.kind, first.transaction.amount, first.transaction.counterparty_name) == (
        "credit_transfer_in",
        Decimal("10.00"),
        "Alder",
    )
    assert first.transaction.remittance_information == "Invoice 7"
    assert first.transaction.bank_transaction_code is None
    assert (second.kind, second.transaction.additional_information) == ("return", "Batch")


def test_the_shipped_model_beats_both_baselines_in_macro_f1_on_real_entries():
    real = transaction_kind.evaluate(MODEL_DIRECTORY, shared("data/iso20022"))
    assert real is not None
    baselines = [scores.macro_f1 for name, scores in real.parts.items() if "baseline" in name and "all" in name]
    assert len(baselines) == 2
    assert real.classes.macro_f1 > max(baselines)
    assert real.classes.accuracy > 0.6


def test_evaluation_without_entries_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert transaction_kind.main(["--evaluate-only", "--data", str(tmp_path)]) == 1
    assert "--data" in capsys.readouterr().err
