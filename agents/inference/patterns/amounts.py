"""The recogniser of amounts of money: a number with a currency beside it, English and Chinese."""

import re
from collections.abc import Iterator
from typing import Final

from agents.inference.patterns.recogniser import Recogniser, Span

_CODES: Final = (
    "AED|ARS|AUD|BGN|BHD|BRL|CAD|CHF|CLP|CNH|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|ISK|JPY|KES|KRW|KWD|KZT|"
    "MAD|MOP|MXN|MYR|NGN|NOK|NZD|OMR|PEN|PHP|PKR|PLN|QAR|RMB|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_SIGNS: Final = r"(?:US|HK|NT|A|C|S|NZ)?\$|[€£¥₹₽₩₺₫₴₪฿]"
_WORDS: Final = (
    r"(?:US[ ]|Hong Kong[ ]|Canadian[ ]|Australian[ ])?dollars?|"
    r"euros?|pounds?(?:[ ]sterling)?|yen|yuan|renminbi|rupees?|francs?"
)
_NUMBER: Final = (
    r"[0-9]{1,3}(?:[ ,.'][0-9]{3}){1,6}(?:[.,][0-9]{1,5})?(?![0-9])|[0-9]{1,18}(?:[.,][0-9]{1,5})?(?![0-9])"
)
_SCALE: Final = r"(?:[ ]?(?:thousand|million|billion|trillion|mn|bn|[kKmM])\b)?"
_LATIN: Final = re.compile(
    rf"(?<![\w$€£¥])[+-]?(?:(?:{_SIGNS}|(?:{_CODES})\b)[ ]?[+-]?(?:{_NUMBER}){_SCALE}|"
    rf"(?:{_NUMBER}){_SCALE}(?:[ ]?(?:[€£¥₽₫]|(?:{_CODES})\b)|[ ](?:{_WORDS})\b))(?![0-9])"
)
_HANZI: Final = "零〇一二三四五六七八九十百千两壹贰叁肆伍陆柒捌玖拾佰仟"
_CHINESE_UNIT: Final = "(?:人民币|美元|美金|欧元|英镑|日元|日圆|港元|港币|新台币|台币|澳元|加元|瑞士法郎|元|圆|块钱|块)"
_CHINESE: Final = re.compile(
    r"(?:(?:人民币|RMB|CNY|¥|￥)[ ]?)?"
    rf"(?:(?<![0-9.,A-Za-z])(?:{_NUMBER})[ ]?[十百千]?[万亿]{{0,2}}|"
    rf"(?<![{_HANZI}万亿])[{_HANZI}](?:[{_HANZI}万亿]){{0,30}})[ ]?{_CHINESE_UNIT}"
    rf"(?:[{_HANZI}]角)?(?:[{_HANZI}]分)?整?"
)
_RENMINBI: Final = re.compile(rf"(?:人民币|港币|美金)[ ]?(?:{_NUMBER})[ ]?[十百千]?[万亿]{{0,2}}(?![0-9])")
# A year's name, `三十元旦`, is no amount; neither is `一块` without a word for money.
_NO_AMOUNT: Final = re.compile(r"[一两几]块(?!钱)")


def _find_amounts(text: str) -> Iterator[Span]:
    for match in _LATIN.finditer(text):
        yield match.span()
    for match in _CHINESE.finditer(text):
        if not _NO_AMOUNT.fullmatch(match.group()):
            yield match.span()
    for match in _RENMINBI.finditer(text):
        yield match.span()


AMOUNTS: Final = Recogniser("AMOUNT", _find_amounts)
