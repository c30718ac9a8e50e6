"""From what an operator typed to a feed: a file, a folder, or `sample:NAME`."""

from pathlib import Path

from schemas.errors import ConfigurationError
from sealstream.feeds.feed import Feed
from sealstream.feeds.file_feed import open_file
from sealstream.feeds.files import readable
from sealstream.feeds.folder_feed import FolderFeed
from sealstream.samples.feed import open_sample

SAMPLE_PREFIX = "sample:"


def open_feed(feed: str, *, topic: str | None = None) -> Feed:
    """Open a feed; nothing is published yet, but files are looked through.

    Args:
        feed: A `.csv`, `.jsonl`, `.xml` or `.sta` file, a folder of them, or `sample:` and the name of a sample.
        topic: Kafka topic for all of its messages; by type when not given.

    Raises:
        ConfigurationError: There is no such feed, or it can't be read.
    """
    if feed.startswith(SAMPLE_PREFIX):
        return open_sample(feed.removeprefix(SAMPLE_PREFIX), topic=topic)
    path = Path(feed)
    with readable(path):
        folder, file = path.is_dir(), path.is_file()
    if not feed or not (folder or file):
        raise ConfigurationError(
            f"there is no feed {feed!r}; name a file, a folder, or a sample such as sample:payments"
        )
    if folder:
        return FolderFeed(path, topic=topic)
    if not path.name.isprintable():
        raise ConfigurationError(f"the name of the feed {feed!r} can't be part of an id; rename the file")
    return open_file(path, None, topic)
