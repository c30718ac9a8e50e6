"""From a file to a feed, by what its name ends in."""

from pathlib import Path

from schemas.errors import ConfigurationError
from sealstream.feeds.csv_feed import CsvFeed
from sealstream.feeds.feed import Feed
from sealstream.feeds.jsonl_feed import JsonlFeed
from sealstream.feeds.message_feed import MEDIA_TYPES, MessageFeed


def open_file(path: Path, inner: str | None, topic: str | None) -> Feed:
    """Open one file by what its name ends in.

    Args:
        path: The file.
        inner: Its path below the folder that is the feed; None when the file itself is.
        topic: Kafka topic for all of its messages; by type when not given.

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
