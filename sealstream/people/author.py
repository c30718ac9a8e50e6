"""Who makes a change of keys or models, or erases a record, as a command was told."""

from dataclasses import dataclass

from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody, by name alone or by their signature.

    Attributes:
        actor: Who is named, where nobody signs; by default who runs the command.
        person: Who signs.
        key: With what: as for `sealstream.people.personal_keys`.
    """

    actor: str | None = None
    person: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.person is None) is not (self.key is None):
            raise ConfigurationError("somebody signs with their key: give --as and --key, or neither")
        if self.person is not None and self.actor is not None:
            raise ConfigurationError("who signs is who acts: give --as or --actor")
