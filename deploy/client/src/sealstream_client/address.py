"""Where the service is: a URL that is given or set in the environment, with the region's name put into it."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from sealstream_client.errors import UsageError

VARIABLE: Final = "SEALSTREAM_API_URL"
PLACE: Final = "{region}"
_REGION: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def resolve(given: str | None, region: str | None, environment: Mapping[str, str]) -> str:
    """The service's URL, without a slash at its end.

    Args:
        given: The URL, which may have `{region}` in it; the variable `SEALSTREAM_API_URL` when not given.
        region: What stands there.

    Raises:
        UsageError: There is none, a region lacks its place or the place its region, or credentials would go over a
            network in the clear.
    """
    text = given or environment.get(VARIABLE)
    if not text:
        raise UsageError(f"say where the service is: base_url=…, or the variable {VARIABLE}")
    if (PLACE in text) is (region is None):
        # Left out in silence, data would be asked for from, or sent to, another region than was meant.
        what = f"the URL has {PLACE}: give a region" if region is None else f"a region is given, the URL has no {PLACE}"
        raise UsageError(what)
    if region is not None:
        if not _REGION.fullmatch(region):
            raise UsageError("a region is lower-case letters, digits and hyphens, such as cn-east-1")
        text = text.replace(PLACE, region)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the service's URL is none") from None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError("the service's URL is https://host[:port][/path] and nothing more")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise UsageError("credentials go over https, except to this machine")
    return text.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
