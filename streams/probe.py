"""Named points in the work of the single owners, at which tests end or stop a process. In production nobody listens."""

from collections.abc import Callable

Probe = Callable[[str], None]
"""Is told each point that is passed."""


def no_probe(_: str) -> None:
    """Nothing happens at any point."""
