"""What a shadow says beside the active version, counted by pairs of labels; never a record, never a value of one.

Counted in memory and added to the registry's table now and then: a worker that is killed loses a second of them, one
whose commit is repeated counts records twice. They are for a judgement, not for the log.
"""

from collections import Counter
from collections.abc import Iterable

from streams.storage.database import Database
from streams.storage.models import Pair, add_comparisons


class Comparisons:
    """Pairs of labels that were not stored yet.

    Attributes:
        counts: How many records got each.
    """

    def __init__(self) -> None:
        self.counts: Counter[Pair] = Counter()

    def add(self, name: str, active: str, trial: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Count pairs of labels, the active version's first; an empty one stands for no answer."""
        self.counts.update((name, active, trial, label, trial_label) for label, trial_label in pairs)

    async def store(self, database: Database) -> None:
        """Add what was counted to the table; counted on when that fails."""
        if not self.counts:
            return
        counts, self.counts = self.counts, Counter()
        try:
            async with database.session() as connection, connection.transaction():
                await add_comparisons(connection, counts)
        except BaseException:
            self.counts.update(counts)
            raise
