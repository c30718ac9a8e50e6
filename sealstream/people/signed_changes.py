"""Making a change of keys or models, or an erasure, for a command: signed by who makes it, or by nobody.

A signed change is tried or foreseen, shown to nobody but its author's key, and made (agents.platform.warrant).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from agents.access.warranting import SignedChange, Unsigned
from agents.platform.identity import Identity
from agents.platform.vouching import Vouching
from agents.platform.warrant import Trial, Undone, Warrant
from sealstream.people.access import now_said, sign_act
from sealstream.people.author import Author
from sealstream.settings import Settings

Maker = TypeVar("Maker")
T = TypeVar("T")


def must_be_signed(settings: Settings) -> bool:
    """Whether a change that nobody signs is refused where anybody could sign it."""
    return settings.env == "production"


async def make_change(
    author: Author,
    identity: Identity,
    maker: Callable[[str | None, Warrant | None], Maker],
    work: Callable[[Maker], Awaitable[T]],
    *,
    signed: bool,
) -> T:
    """Make it.

    Args:
        maker: Makes changes as an actor, by a warrant.
        work: Makes this one; called twice where it is signed, and once where nobody has to sign for what it does.
        signed: Whether it must be, where anybody could sign it.
    """
    if author.person is None or author.key is None:
        return await work(maker(author.actor, Unsigned(await _voucher(identity)) if signed else None))
    trial = Trial(now_said())
    with suppress(Undone):
        answer = await work(maker(author.person, trial))
        if not trial.change:
            return answer
    acts = {}
    for each in trial.change:
        origin = await asyncio.to_thread(identity.origin, each.tenant)
        unsigned = each.unsigned(trial.at)
        acts[each.tenant] = await asyncio.to_thread(sign_act, author.key, author.person, origin, unsigned)
    return await work(maker(author.person, SignedChange(acts, identity, await _voucher(identity))))


async def _voucher(identity: Identity) -> Vouching:
    return await asyncio.to_thread(identity.voucher)
