"""Chinese of the review queue."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Review queue": "人工复核",
    "Show what waits": "显示待复核记录",
    "Left to a person, the oldest first": "待人工复核，最早的在前",
    "Nothing waits that you may see.": "没有您可以查看的待复核记录。",
    "Later records": "后面的记录",
    "Review of a record": "复核记录",
    "What the model left open": "模型未能判定的内容",
    "Earlier decisions": "以往的判定",
    "Nobody has decided this record yet.": "尚无人判定此记录。",
    "Decide": "判定",
    "Readers decide; you look.": "由查阅人员判定，您只能查看。",
    "The model's label is not open to you, so this is not yours to decide.": "模型的标签未对您开放，因此您不能判定此记录。",
    "The model that left this open is not known here; its labels are, once it is registered.": (
        "此处不认识留下该记录的模型；登记模型后才有其标签。"
    ),
    "Label": "标签",
    "Choose one": "请选择",
    "Reason": "理由",
    "Sealed beside the label, at the highest tier of what you saw. The last decision counts; earlier ones stay.": (
        "与标签一同密封，级别为您所见内容的最高级别。以最后一次判定为准，以往的判定会保留。"
    ),
    "Decide or decide again": "判定或重新判定",
    "a decision is one of the labels, and has a reason": "判定须选择一个标签并填写理由",
    "the record can't be decided: not open, erased, or above your tier": "此记录不能判定：未待复核、已删除或高于您的级别",
    "the model has no such label, or is not known here": "模型没有此标签，或此处不认识该模型",
}
