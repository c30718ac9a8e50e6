"""The way to attestors over HTTP. What is asked and answered is agents.log.witnessing and agents.log.timestamping."""

from typing import Final

import aiohttp

from agents.log.attestor import Answer, AttestorAway

ANSWER_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 1 << 16
BUSY: Final = 429


class HttpWitness:
    """One witness.

    Args:
        url: Its submission prefix.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/add-checkpoint"

    async def add_checkpoint(self, body: bytes) -> Answer:
        """Ask it to cosign.

        Raises:
            AttestorAway: No answer, or one of a server that is not itself.
        """
        return await _post(self._session, self._url, body, "text/plain; charset=utf-8")


class HttpAuthority:
    """One RFC 3161 timestamp authority (section 3.4)."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def stamp(self, request: bytes) -> Answer:
        """Ask it.

        Raises:
            AttestorAway: No answer, or one of a server that is not itself.
        """
        return await _post(self._session, self._url, request, "application/timestamp-query")


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, content_type: str) -> Answer:
    """Post once; an answer that is too long is cut off, and then means nothing to whoever reads it."""
    try:
        async with session.post(
            url,
            data=body,
            headers={"Content-Type": content_type},
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            allow_redirects=False,
        ) as answer:
            if answer.status >= 500 or answer.status == BUSY:
                raise AttestorAway(f"it answers {answer.status}")
            content = bytearray()
            async for part in answer.content.iter_any():
                content += part
                if len(content) > MAX_ANSWER_BYTES:
                    break
            return Answer(answer.status, answer.headers.get("Content-Type", ""), bytes(content[:MAX_ANSWER_BYTES]))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        # A class name says what an operator needs; the text could repeat what the other side sent.
        raise AttestorAway(f"no answer ({type(exc).__name__})") from exc
