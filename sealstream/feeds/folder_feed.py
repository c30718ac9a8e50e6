"""A folder of feeds: every file below it whose format is known, in the order of their paths."""

from collections.abc import Iterator
from pathlib import Path

from schemas.errors import ConfigurationError
from sealstream.feeds.feed import Feed, Ignored
from sealstream.feeds.file_feed import open_file
from sealstream.feeds.files import readable
from sealstream.feeds.item import FeedItem


class FolderFeed:
    """The files of a folder and of the folders in it.

    Ids begin with a file's path below the folder, so that equal names in two folders stay apart. A file that can't be
    read as what its name says is left out and listed with the reason; hidden files and symbolic links are left out.

    Raises:
        ConfigurationError: The folder can't be read, or holds nothing that can be published.
    """

    expectation = None

    def __init__(self, path: Path, *, topic: str | None = None) -> None:
        self.name = path.name or str(path)
        feeds: list[Feed] = []
        ignored: list[Ignored] = []
        for file in _files(path):
            inner = file.relative_to(path).as_posix()
            if not inner.isprintable():
                ignored.append(Ignored(repr(inner), "its name can't be part of an id"))
                continue
            try:
                feed = open_file(file, inner, topic)
            except ConfigurationError as exc:
                ignored.append(Ignored(inner, str(exc)))
                continue
            feeds.append(feed)
            ignored += [Ignored(f"{inner}: {left_out.name}", left_out.reason) for left_out in feed.ignored]
        if not feeds:
            raise ConfigurationError(f"nothing to publish in {path}: no readable .csv, .jsonl, .xml or .sta file")
        self._feeds = tuple(feeds)
        self.ignored = tuple(ignored)

    def items(self) -> Iterator[FeedItem]:
        """The messages of all files, file by file."""
        for feed in self._feeds:
            yield from feed.items()


def _files(path: Path) -> list[Path]:
    with readable(path):
        inner = sorted(file.relative_to(path).parts for file in path.rglob("*") if _is_plain_file(file))
    return [path.joinpath(*parts) for parts in inner if not any(part.startswith(".") for part in parts)]


def _is_plain_file(file: Path) -> bool:
    # A link may lead out of the folder that the operator meant to publish.
    return file.is_file() and not file.is_symlink()
