"""Who reads, when a command is run: a registered person by their right, or in development anybody at a tier."""

import getpass
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from agents.access.keeper import AccessKeeper
from agents.opening.reading import Reader
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_TIER, Knowledge, load_knowledge
from agents.reading.desk import Desk
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from security.access.principal import Method, Principal
from security.key_provider import MAX_TIER
from streams.storage.database import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command was told.

    Attributes:
        person: Who reads; by default who runs the command, if somebody of that name is registered.
        purpose: What for.
        tier: Read at that tier, without anybody's right.
        default_tier: What it is in development, where nobody is registered and nothing is said.
    """

    person: str | None = None
    purpose: str | None = None
    tier: int | None = None
    default_tier: int = 1


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who reads by their right."""

    who: Principal
    purpose: str


@dataclass(frozen=True, slots=True)
class Readers:
    """What reads for one command: at a tier, or for somebody.

    Attributes:
        acting: None where it is at a tier, by `reader`.
        tier: That tier.
    """

    tier: int
    knowledge: Knowledge
    reader: Reader
    desk: Desk
    acting: Acting | None

    async def read(
        self, at_tier: Callable[[Reader], Awaitable[T]], by_right: Callable[[Desk, Acting], Awaitable[T]]
    ) -> T:
        """Read one way or the other."""
        return await (at_tier(self.reader) if self.acting is None else by_right(self.desk, self.acting))

    async def look_at_logs(self, asked: str, log_ids: Collection[int]) -> None:
        """Write down that somebody reads what logs say of people; by right, auditors do.

        Raises:
            NotPermitted: They are none.
        """
        where = logs_with_looks(self.knowledge, log_ids)
        if self.acting is None:
            await self.reader.log_look("search", {log_id: [] for log_id in sorted(where)})
        else:
            await self.desk.look_at_logs(self.acting.who, self.acting.purpose, asked, sorted(where))


def logs_with_looks(knowledge: Knowledge, log_ids: Collection[int]) -> set[int]:
    """Where a look at these logs is written down: in those that can keep one, or else in the platform's."""
    kept = {owner.log.log_id for owner in knowledge.owners.values()}
    # A log of people alone has no key to seal a look's list with; the platform's has.
    return kept.intersection(log_ids) or {knowledge.platform.log.log_id}


async def open_readers(
    settings: Settings,
    database: Database,
    identity: Identity,
    said: Said,
    domains: Collection[tuple[str, str]] | None = None,
    *,
    max_tier: int | None = None,
) -> Readers:
    """What reads for whoever runs a command.

    Args:
        domains: Tenant and domain of the owners whose keys this process may hold; None for all.
        max_tier: Keys above it are not wanted; None for all that may be needed.

    Raises:
        ConfigurationError: Nobody is named, or no purpose, and reading at a tier is not for here.
    """
    keeper = AccessKeeper(database, identity)
    acting = await acting_person(settings, keeper, said)
    tier = said.tier or said.default_tier
    held = max_tier if max_tier is not None else tier if acting is None else MAX_TIER
    knowledge = await load_knowledge(database, identity, max_tier=held, domains=domains)
    worker = identity.new_worker()
    reader = Reader(database, identity, knowledge, worker, tier=tier if max_tier is None else ACCESS_TIER)
    return Readers(tier, knowledge, reader, Desk(database, identity, knowledge, worker, keeper), acting)


async def acting_person(settings: Settings, keeper: AccessKeeper, said: Said) -> Acting | None:
    """Who reads by right; None where it is at a tier.

    Raises:
        ConfigurationError: As `open_readers`.
    """
    if said.tier is not None and (said.person is not None or said.purpose is not None):
        raise ConfigurationError("read at a tier, or as a person for a purpose: name one of them")
    production = settings.env == "production"
    if production and said.tier is not None:
        raise ConfigurationError(
            "in production nobody reads at a bare tier; name the reader with --as and what for with --purpose"
        )
    if said.tier is not None:
        return None
    people = (await keeper.current()).people
    name = said.person or getpass.getuser()
    person = people.get(name)
    if person is None and said.person is None and said.purpose is None and not people and not production:
        return None
    if person is None:
        raise ConfigurationError(
            f"nobody of the id {name!r} is registered; name who reads with --as, or in development give a --tier"
        )
    if said.purpose is None:
        raise ConfigurationError("say with --purpose what you read for, in the word that the policies use")
    return Acting(person.authenticated(Method.LOCAL), said.purpose)
