"""A call as an HTTP request, and the credential under it; what both clients set up in the same way."""

import os
from collections.abc import Callable
from typing import Final, TypeVar

import httpx

from sealstream_client.address import resolve
from sealstream_client.calls import JSON, Call
from sealstream_client.errors import UsageError

T = TypeVar("T")

Credential = str | Callable[[], str]
"""An API key or an access token; or what gives the one that is good now, asked for before each attempt."""

TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
USER_AGENT: Final = "sealstream-client/0.1.0"


class Sender:
    """Makes requests of calls.

    Args:
        api_key: Of the service, `sk_…`.
        token: Instead of a key: an access token, or what gives one.

    Raises:
        UsageError: Not exactly one credential is given, or the address is none.
    """

    def __init__(
        self,
        api_key: str | None,
        token: Credential | None,
        base_url: str | None,
        region: str | None,
        timeout: httpx.Timeout,
    ) -> None:
        if (api_key is None) is (token is None):
            raise UsageError("give one credential: api_key=… or token=…")
        self.url = resolve(base_url, region, os.environ)
        self._extensions = {"timeout": timeout.as_dict()}
        self._credential: Credential = api_key if api_key is not None else token  # type: ignore[assignment]  # one is
        if not callable(self._credential):
            _see_sendable(self._credential)

    def __repr__(self) -> str:
        return f"Sender({self.url!r})"

    def request(self, call: Call[T]) -> httpx.Request:
        """What is sent."""
        credential = self._credential() if callable(self._credential) else self._credential
        _see_sendable(credential)
        headers = {"Authorization": f"Bearer {credential}", "Accept": call.accept, "User-Agent": USER_AGENT}
        if call.body is not None:
            headers["Content-Type"] = JSON
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        return httpx.Request(
            call.method,
            self.url + call.path,
            params=call.query,
            headers=headers,
            content=call.body,
            extensions=self._extensions,
        )


def _see_sendable(credential: str) -> None:
    if not credential or not credential.isascii() or not credential.isprintable() or " " in credential:
        raise UsageError("the credential is empty, or no key or token")
