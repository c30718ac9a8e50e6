"""An address to listen on, as settings write it."""

from typing import Final, NamedTuple

OFF: Final = "off"


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As a browser wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_address(text: str) -> Address | None:
    """Read `host:port`, `[v6]:port` or `off`, which gives None.

    Raises:
        ValueError: It is none of these.
    """
    if text == OFF:
        return None
    host, mark, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not mark or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("host:port or off")
    return Address(host, int(port))
