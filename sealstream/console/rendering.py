"""Templates, and what all of them can use: texts, addresses, words for codes, the navigation."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sealstream.console.assets import Assets
from sealstream.console.language import CHINESE, ENGLISH, LANGUAGES, Language
from sealstream.console.words import WORDS
from security.access.principal import Principal, Role

_SHOWN_TIME: Final = "%Y-%m-%d %H:%M:%S UTC"


class Entry(NamedTuple):
    """A line of the navigation.

    Attributes:
        path: Under the console's root.
        label: In English.
        roles: Who gets to see it.
    """

    path: str
    label: str
    roles: frozenset[Role]


class Page(NamedTuple):
    """A module of pages.

    Attributes:
        chinese: English text to Chinese, of its templates and its own.
    """

    router: APIRouter
    chinese: Mapping[str, str]
    entries: Sequence[Entry] = ()


@dataclass(frozen=True, slots=True)
class Rendering:
    """Makes pages of templates."""

    environment: Environment
    languages: Mapping[str, Language]
    entries: Sequence[Entry]

    def page(self, template: str, language: Language, who: Principal | None, values: Mapping[str, Any]) -> str:
        """A page's text."""
        entries = [each for each in self.entries if who is not None and who.roles & each.roles]
        shared = {
            "_": language.text,
            "word": _words(language),
            "lang": language.code,
            "languages": LANGUAGES,
            "who": who,
            "entries": entries,
        }
        return self.environment.get_template(template).render({**shared, **values})


def make_rendering(pages: Sequence[Page], assets: Assets, root: str) -> Rendering:
    """With the templates of this package."""
    environment = Environment(
        loader=PackageLoader("sealstream.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "url": lambda path: f"{root}{path}",
        "asset": lambda name: f"{root}/static/{assets.digest}/{_known(assets, name)}",
    }
    environment.filters["time"] = shown_time
    environment.filters["exact"] = exact
    chinese: dict[str, str] = {}
    for page in pages:
        chinese |= page.chinese
    return Rendering(
        environment,
        {ENGLISH: Language(ENGLISH, {}), CHINESE: Language(CHINESE, chinese)},
        [entry for page in pages for entry in page.entries],
    )


def shown_time(moment: dt.datetime | str) -> str:
    """A time as pages show it, in UTC as the log has it."""
    found = dt.datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found.astimezone(dt.UTC).strftime(_SHOWN_TIME)


def exact(text: str) -> Markup:
    """A text that a browser shows character by character: a bare carriage return would become a newline."""
    return Markup(str(escape(text)).replace("\r", "&#13;"))  # noqa: S704 escaped


def _words(language: Language) -> Callable[[str], str]:
    def word(code: object) -> str:
        text = str(code)
        return language.text(WORDS.get(text, text))

    return word


def _known(assets: Assets, name: str) -> str:
    if name not in assets.files:
        raise LookupError(f"the console has no file {name}")
    return name
