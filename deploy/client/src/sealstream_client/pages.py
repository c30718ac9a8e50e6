"""Lists that come in pages: the first one, and the way through all of them, blocking or not."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from sealstream_client.calls import Call, Part

T = TypeVar("T")


class Page(Generic[T]):
    """A page of a list. Iterating gives its items and those of all pages after it, which are asked for as needed.

    Attributes:
        data: The items of this page.
    """

    def __init__(self, part: Part[T], ask: Callable[[Call[Part[T]]], Part[T]]) -> None:
        self.data = part.data
        self._following = part.following
        self._ask = ask

    def __repr__(self) -> str:
        return f"<Page of {len(self.data)}{', and more' if self.has_more else ''}>"

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.data

    @property
    def has_more(self) -> bool:
        """Whether the list goes on."""
        return self._following is not None

    def next_page(self) -> "Page[T] | None":
        """The page after this one."""
        return Page(self._ask(self._following), self._ask) if self._following is not None else None

    def pages(self) -> "Iterator[Page[T]]":
        """This page and all after it."""
        page: Page[T] | None = self
        while page is not None:
            yield page
            page = page.next_page()


class AsyncPage(Generic[T]):
    """A page of a list. `async for` gives its items and those of all pages after it, which are asked for as needed.

    Attributes:
        data: The items of this page.
    """

    def __init__(self, part: Part[T], ask: Callable[[Call[Part[T]]], Awaitable[Part[T]]]) -> None:
        self.data = part.data
        self._following = part.following
        self._ask = ask

    def __repr__(self) -> str:
        return f"<AsyncPage of {len(self.data)}{', and more' if self.has_more else ''}>"

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for each in page.data:
                yield each

    @property
    def has_more(self) -> bool:
        """Whether the list goes on."""
        return self._following is not None

    async def next_page(self) -> "AsyncPage[T] | None":
        """The page after this one."""
        return AsyncPage(await self._ask(self._following), self._ask) if self._following is not None else None

    async def pages(self) -> "AsyncIterator[AsyncPage[T]]":
        """This page and all after it."""
        page: AsyncPage[T] | None = self
        while page is not None:
            yield page
            page = await page.next_page()
