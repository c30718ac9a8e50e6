"""Made-up people and companies with accounts whose check digits hold. What they pay for is in `narratives`."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Script = Literal["latin", "chinese"]


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a payment.

    Attributes:
        name: A person or a company, in its own script.
        iban: An IBAN without spaces; for a Chinese party a domestic account number of 16 to 19 digits.
        bic: BIC of the account's bank, 8 or 11 characters.
        script: The script the name is written in.
    """

    name: str
    iban: str
    bic: str
    script: Script


# Structure of the BBAN as in the IBAN registry: n digits, a upper-case letters. Bank codes and BICs are invented.
_BBAN: Mapping[str, str] = {
    "AT": "16n", "BE": "12n", "CH": "17n", "DE": "18n", "ES": "20n", "FI": "14n", "FR": "23n",
    "GB": "4a14n", "IT": "1a22n", "LU": "16n", "NL": "4a10n", "SE": "20n",
}  # fmt: skip
_COUNTRIES = tuple(_BBAN)
_COUNTRY_WEIGHTS = (5, 5, 6, 20, 6, 10, 12, 12, 10, 2, 12, 5)
_LANGUAGE_OF_COUNTRY: Mapping[str, str] = {
    "AT": "de", "BE": "nl", "CH": "de", "DE": "de", "ES": "es", "FI": "fi", "FR": "fr",
    "GB": "en", "IT": "it", "LU": "fr", "NL": "nl", "SE": "sv",
}  # fmt: skip
_PLACE: Mapping[str, str] = {
    "AT": "WW", "BE": "BB", "CH": "ZZ", "DE": "FF", "ES": "MM", "FI": "HH", "FR": "PP",
    "GB": "2L", "IT": "MM", "LU": "LL", "NL": "2A", "SE": "SS",
}  # fmt: skip
_BANK_PREFIXES = ("QNOR", "QALT", "QMER", "QVIA", "QHAN", "QSOL", "QRIV", "QBER")

_GIVEN: Mapping[str, tuple[str, ...]] = {
    "de": ("Anna", "Jürgen", "Sabine", "Lukas", "Katharina", "Jörg", "Heike", "Florian", "Ursula", "Matthias"),
    "nl": ("Sanne", "Daan", "Anouk", "Pieter", "Femke", "Joost", "Maaike", "Ruben", "Lotte", "Bram"),
    "es": ("Lucía", "Javier", "Carmen", "Álvaro", "Inés", "Pablo", "Marta", "Iñaki", "Elena", "Sergio"),
    "fi": ("Aino", "Jukka", "Päivi", "Mikko", "Riikka", "Antti", "Tuula", "Väinö", "Satu", "Pekka"),
    "fr": ("Camille", "Benoît", "Hélène", "Thibault", "Amélie", "François", "Zoé", "Étienne", "Margaux", "Olivier"),
    "en": ("Oliver", "Charlotte", "Harry", "Emily", "George", "Amelia", "Thomas", "Grace", "James", "Sophie"),
    "it": ("Giulia", "Matteo", "Chiara", "Alessandro", "Federica", "Niccolò", "Elisa", "Davide", "Paola", "Andrea"),
    "sv": ("Astrid", "Göran", "Linnéa", "Björn", "Ebba", "Åke", "Maja", "Nils", "Karin", "Oskar"),
}
_FAMILY: Mapping[str, tuple[str, ...]] = {
    "de": ("Müller", "Schneider", "Weiß", "Hoffmann", "Krüger", "Bauer", "Vogel", "Lehmann", "Schröder", "Huber"),
    "nl": ("de Vries", "Jansen", "van den Berg", "Bakker", "Visser", "Smit", "Mulder", "Dekker", "Peeters", "Maes"),
    "es": ("García López", "Fernández", "Ruiz Navarro", "Muñoz", "Ortega", "Serrano", "Peña", "Vidal", "Castro"),
    "fi": ("Virtanen", "Korhonen", "Mäkinen", "Nieminen", "Hämäläinen", "Laine", "Heikkilä", "Koskinen", "Järvi"),
    "fr": ("Lefèvre", "Moreau", "Girard", "Dubois", "Chevalier", "Perrin", "Gauthier", "Lemaître", "Roussel"),
    "en": ("Walker", "Hughes", "Bennett", "O'Connor", "Clarke", "Fletcher", "Murray", "Shaw", "Whitfield", "Ellis"),
    "it": ("Ferrari", "Esposito", "Romano", "Colombo", "De Luca", "Marchetti", "Gallo", "Fontana", "Conti"),
    "sv": ("Lindqvist", "Bergström", "Åkesson", "Nyström", "Sjöberg", "Holm", "Ekman", "Wallin", "Forsberg"),
}
_STEM = (
    "Alder", "Nordwind", "Brightwater", "Kestrel", "Lumière", "Tessel", "Havn", "Solaris", "Orbis", "Meridian",
    "Castell", "Vento", "Aurora", "Pinnacle", "Kiefer", "Montis", "Sirius", "Delphin", "Ruusu", "Corvus", "Tilia",
    "Argent", "Zephyr",
)  # fmt: skip
_TRADE: Mapping[str, tuple[str, ...]] = {
    "de": (
        "Maschinenbau",
        "Logistik",
        "Bäckerei",
        "Energie",
        "Hausverwaltung",
        "Versicherung",
        "Softwarehaus",
        "Elektro",
        "Beteiligungen",
        "Handel",
        "Dienstleistungen",
        "Treuhand",
    ),
    "nl": ("Transport", "Bouw", "Verzekeringen", "Energie", "Drukkerij", "Makelaardij", "Installatietechniek"),
    "es": ("Construcciones", "Alimentación", "Seguros", "Energía", "Suministros", "Transportes", "Consultores"),
    "fi": ("Rakennus", "Sähkö", "Kuljetus", "Vakuutus", "Kiinteistö", "Konepaja", "Puutarha"),
    "fr": (
        "Assurances",
        "Bâtiment",
        "Électricité",
        "Transports",
        "Conseil",
        "Immobilier",
        "Boulangerie",
        "Participations",
        "Commerce",
    ),
    "en": (
        "Engineering",
        "Logistics",
        "Insurance",
        "Energy",
        "Catering",
        "Property Management",
        "Software",
        "Foods",
        "Investments",
        "Holdings",
        "Trading",
        "Services",
        "Group",
        "Technologies",
    ),
    "it": ("Costruzioni", "Assicurazioni", "Alimentari", "Energia", "Trasporti", "Servizi", "Ceramiche", "Commerciale"),
    "sv": ("Bygg", "El", "Försäkring", "Åkeri", "Fastigheter", "Konsult", "Verkstad"),
}
_LEGAL: Mapping[str, tuple[str, ...]] = {
    "de": ("GmbH", "AG", "GmbH & Co. KG", "e.K.", "eG"),
    "nl": ("B.V.", "N.V.", "VOF", "BVBA"),
    "es": ("S.L.", "S.A.", "S. Coop."),
    "fi": ("Oy", "Oyj", "Ky", "Ab"),
    "fr": ("SARL", "SA", "SAS", "S.à r.l."),
    "en": ("Ltd", "Limited", "PLC", "LLP", "Inc."),
    "it": ("S.r.l.", "S.p.A.", "S.n.c."),
    "sv": ("AB", "Handelsbolag", "Ek. för."),
}

_CN_FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
_CN_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉建国文斌婷宇浩欣怡子涵梓晨思雨嘉"
_CN_CITY = ("上海", "北京", "深圳市", "广州市", "杭州", "成都", "苏州", "武汉", "南京", "厦门", "青岛", "重庆")
_CN_STEM = ("华信", "恒达", "瑞丰", "鼎盛", "东海", "明远", "长青", "天成", "金桥", "博雅", "宏图", "佳禾")
_CN_TRADE = (
    "科技", "贸易", "物流", "建筑工程", "食品", "电子", "机械设备", "信息技术", "物业管理", "医疗器械", "餐饮管理",
)  # fmt: skip
_CN_LEGAL = ("有限公司", "有限责任公司", "股份有限公司", "(集团)有限公司")
_CN_BANK_BICS = ("QHUACNBJ", "QDONCNSH", "QNANCNSZ", "QXIBCNBJ110")


def language_of(party: Party) -> str:
    """Language a party's bank is likely to write in: ISO 639-1 code, `zh` for Chinese parties."""
    return "zh" if party.script == "chinese" else _LANGUAGE_OF_COUNTRY.get(party.iban[:2], "en")


def make_party(rng: random.Random, script: Script | None = None, business: bool | None = None) -> Party:
    """Make one party.

    Args:
        rng: Source of every choice; the same state gives the same party.
        script: Script of the name; about one in five is Chinese when not given.
        business: True for a company, False for a person; half and half when not given.
    """
    if script is None:
        script = "chinese" if rng.random() < 0.2 else "latin"
    if business is None:
        business = rng.random() < 0.5
    if script == "chinese":
        digits = rng.choice((16, 17, 18, 19))
        account = "62" + "".join(rng.choices("0123456789", k=digits - 2))
        return Party(_chinese_name(rng, business), account, rng.choice(_CN_BANK_BICS), "chinese")
    country = rng.choices(_COUNTRIES, _COUNTRY_WEIGHTS)[0]
    language = _LANGUAGE_OF_COUNTRY[country]
    prefix = rng.choice(_BANK_PREFIXES)
    bic = prefix + country + _PLACE[country] + rng.choice(("", "XXX"))
    return Party(_latin_name(rng, language, business), _make_iban(rng, country, prefix), bic, "latin")


def iban_check_digits(country: str, bban: str) -> str:
    """Check digits of an IBAN (ISO 13616, mod 97-10) for a country code and a BBAN without spaces."""
    number = int("".join(str(int(c, 36)) for c in bban + country + "00"))
    return f"{98 - number % 97:02d}"


def _make_iban(rng: random.Random, country: str, bank_prefix: str) -> str:
    structure = _BBAN[country]
    letters, _, rest = structure.rpartition("a")
    bban = bank_prefix[: int(letters)] if letters else ""
    bban += "".join(rng.choices("0123456789", k=int(rest.removesuffix("n"))))
    return country + iban_check_digits(country, bban) + bban


def _latin_name(rng: random.Random, language: str, business: bool) -> str:
    if not business:
        given, family = rng.choice(_GIVEN[language]), rng.choice(_FAMILY[language])
        return f"{family} {given}" if rng.random() < 0.1 else f"{given} {family}"
    stem = rng.choice(_STEM) if rng.random() < 0.6 else rng.choice(_FAMILY[language])
    name = f"{stem} {rng.choice(_TRADE[language])} {rng.choice(_LEGAL[language])}"
    return name.upper() if rng.random() < 0.25 else name


def _chinese_name(rng: random.Random, business: bool) -> str:
    if not business:
        return rng.choice(_CN_FAMILY) + "".join(rng.choices(_CN_GIVEN, k=rng.choice((1, 2, 2))))
    return rng.choice(_CN_CITY) + rng.choice(_CN_STEM) + rng.choice(_CN_TRADE) + rng.choice(_CN_LEGAL)
