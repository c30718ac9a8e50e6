"""Letters to a bank or an authority, in English and Chinese: the text documents of a mixed sample."""

import datetime as dt
from random import Random
from typing import Final

from sealstream.feeds.item import DOCUMENT_TYPE, DOCUMENTS_TOPIC, FeedItem
from sealstream.samples.letter_wordings import CHINESE, CLOSINGS, ENGLISH, OPENINGS
from sealstream.samples.world import World, currency_of

_URGENCIES: Final = ("high", "normal", "normal", "low", None)
_MOST_CONCERNS: Final = 3


def make_letter(rng: Random, world: World, number: int, moment: dt.datetime) -> FeedItem:
    """A letter by one of the world's parties, about one to three concerns; one in four Chinese ones is in GB 18030."""
    writer = world.account(rng)
    language, wordings = ("zh", CHINESE) if writer.script == "chinese" else ("en", ENGLISH)
    other = world.counterparty(rng, writer)
    filling = {
        "amount": f"{rng.randrange(100, 5_000_00) / 100:.2f}",
        "currency": currency_of(writer),
        "date": (moment.date() - dt.timedelta(days=rng.randrange(1, 40))).isoformat(),
        "iban": other.iban,
        "name": other.name,
        "number": f"{rng.randrange(10**8):08}",
    }
    concerns = rng.sample(sorted(wordings), rng.randint(1, _MOST_CONCERNS))
    paragraphs = [rng.choice(wordings[concern]).format(**filling) for concern in concerns]
    closing = rng.choice(CLOSINGS[language]).format(name=writer.name)
    text = "\n\n".join([rng.choice(OPENINGS[language]), *paragraphs, closing]) + "\n"
    charset = "gb18030" if language == "zh" and rng.randrange(4) == 0 else "utf-8"
    urgency = rng.choice(_URGENCIES)
    return FeedItem(
        topic=DOCUMENTS_TOPIC,
        type=DOCUMENT_TYPE,
        id=f"letter-{number:05}",
        data=text.encode(charset),
        datacontenttype=f"text/plain; charset={charset}",
        time=moment.isoformat().replace("+00:00", "Z"),
        extensions=(("datalevel", "3"), *((("urgency", urgency),) if urgency is not None else ())),
    )
