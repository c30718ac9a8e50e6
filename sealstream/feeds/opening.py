"""From what an operator typed to a feed: a file, a folder, or `sample:NAME`."""

from pathlib import Path

from schemas.errors import ConfigurationError
from sealstream.feeds.csv_feed import CsvFeed
from sealstream.feeds.feed import Feed
from sealstream.feeds.files import readable
from sealstream.feeds.jsonl_feed import JsonlFeed
from sealstream.feeds.message_feed import MEDIA_TYPES, MessageFeed

SAMPLE_PREFIX = "sample:"


def open_feed(feed: str, *, topic: str | None = None) -> Feed:
    """Open a feed; nothing is published yet, but files are looked through.

    Args:
        feed: A `.csv`, `.jsonl`, `.xml` or `.sta` file, a folder of them, or `sample:` and the name of a sample.
        topic: Kafka topic for all of its messages; by type when not given.

    Raises:
        ConfigurationError: There is no such feed, or it can't be read.
    """
    # Both need this module or its package themselves.
    if feed.startswith(SAMPLE_PREFIX):
        from sealstream.samples.feed import open_sample

        return open_sample(feed.removeprefix(SAMPLE_PREFIX), topic=topic)
    path = Path(feed)
    with readable(path):
        folder, file = path.is_dir(), path.is_file()
    if not feed or not (folder or file):
        raise ConfigurationError(
            f"there is no feed {feed!r}; name a file, a folder, or a sample such as sample:payments"
        )
    if folder:
        from sealstream.feeds.folder_feed import FolderFeed

        return FolderFeed(path, topic=topic)
    if not path.name.isprintable():
        raise ConfigurationError(f"the name of the feed {feed!r} can't be part of an id; rename the file")
    return open_file(path, None, topic)


def open_file(path: Path, inner: str | None, topic: str | None) -> Feed:
    """Open one file by what its name ends in.

    Args:
        path: The file.
        inner: Its path below the folder that is the feed; None when the file itself is.
        topic: As for `open_feed`.

    Raises:
        ConfigurationError: No feed ends like that, or the file can't be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return CsvFeed(path, id_prefix=inner, topic=topic)
    if suffix == ".jsonl":
        return JsonlFeed(path, id_prefix=inner, topic=topic)
    if suffix in MEDIA_TYPES:
        return MessageFeed(path, event_id=inner, topic=topic)
    raise ConfigurationError(f"{path.name}: not a feed; feeds end in .csv, .jsonl, .xml or .sta")
