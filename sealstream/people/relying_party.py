"""Whom people's authenticators sign for, from the settings."""

from urllib.parse import urlsplit

from sealstream.address import parse_address
from sealstream.settings import Settings
from security.access.assertion import RelyingParty


def relying_party(settings: Settings, *, tls: bool) -> RelyingParty:
    """The console as authenticators know it: a domain, and where it is opened."""
    listening = parse_address(settings.api_listen) if settings.api_listen else None
    port = listening.port if listening is not None else 0
    origin = settings.console_url or f"{'https' if tls else 'http'}://localhost:{port}"
    return RelyingParty(urlsplit(origin).hostname or "localhost", (origin,))
