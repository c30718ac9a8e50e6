"""What stands in the places of a frame: values that are learnt, and others that are none of them."""

import datetime
import random
from collections.abc import Callable, Mapping
from typing import Final

from faker import Faker

from sealstream.training.tagger_organizations import brand
from sealstream.training.tagger_values import Values
from sealstream.training.tagger_words import words

_FIRST_DAY: Final = datetime.date(1930, 1, 1).toordinal()
_LAST_DAY: Final = datetime.date(2030, 12, 31).toordinal()
_MONTHS: Final = words("months")
_WEEKDAYS: Final = words("weekdays")
_NATIONALITIES: Final = words("nationalities")
_WORKS: Final = words("titles_of_works")
_WORDS_OF_WORKS: Final = words("words_of_works")
_PRODUCTS: Final = words("kinds_of_products")


def fillers(values: Values, chance: random.Random) -> Mapping[str, Callable[[], str]]:
    """What fills a place of each name."""
    faker = Faker("en_US")
    faker.seed_instance(chance.getrandbits(64))

    def number() -> str:
        return str(chance.choice((chance.randint(1, 99), chance.randint(100, 99_999))))

    def amount() -> str:
        figure = f"{chance.choice((chance.uniform(1, 100), chance.uniform(100, 90_000))):,.2f}"
        return chance.choice(("${}", "£{}", "€{}", "{} EUR", "USD {}", "{}", "GBP{}")).format(figure)

    def date() -> str:
        form = chance.choice(("%d/%m/%Y", "%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%d%b%y", "%Y", "%d %b"))
        return datetime.date.fromordinal(chance.randint(_FIRST_DAY, _LAST_DAY)).strftime(form)

    def reference() -> str:
        return chance.choice(("", "INV", "RF", "A-", "No. ", "/")) + values.digits(4, 12)

    def work() -> str:
        """A film, a book, a song; no value."""
        form = chance.choice(_WORKS)
        if chance.random() < 0.4:
            return form.format(brand(chance), chance.choice(_WORDS_OF_WORKS))
        return form.format(*chance.sample(_WORDS_OF_WORKS, 2))

    def product() -> str:
        """A thing with a name; no value."""
        kind = chance.choice(_PRODUCTS)
        return chance.choice((f"{brand(chance)} {kind}", f"{kind} {values.digits(1, 3)}", f"{kind} Pro", kind))

    return {
        "person": values.person,
        "first": values.first,
        "last": values.last,
        "one": values.one_name,
        "title": values.title,
        "org": values.organization,
        "loc": values.location,
        "city": values.city,
        "country": values.country,
        "address": values.address,
        "street": values.street,
        "house": values.house,
        "unit": values.secondary,
        "zip": lambda: faker.postcode() if chance.random() < 0.5 else values.postcode(),
        "state": values.state,
        "work": work,
        "product": product,
        "date": date,
        "month": lambda: chance.choice(_MONTHS),
        "weekday": lambda: chance.choice(_WEEKDAYS),
        "year": lambda: str(chance.randint(1890, 2030)),
        "number": number,
        "amount": amount,
        "ref": reference,
        "iban": faker.iban,
        "card": faker.credit_card_number,
        "phone": values.phone,
        "email": faker.email,
        "site": faker.url,
        "ssn": faker.ssn,
        "ip": faker.ipv4,
        "code": faker.postcode,
        "job": lambda: str(faker.job()),
        "nationality": lambda: chance.choice(_NATIONALITIES),
    }
