"""The tenant that is ours: its log says what concerns everybody, or nobody."""

from typing import Final

PLATFORM_TENANT: Final = "platform"
