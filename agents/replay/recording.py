"""Leaves and rows of a replay's commit: a `replay` leaf for each dead letter, then what a first intake would write."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn
from uuid import UUID

from agents.commits.leaves import LeafBatch
from agents.commits.outcomes import MessageOutcome
from agents.commits.recording import Recorder, data_key_row, rfc3339
from agents.replay.attempt import Attempt
from schemas.errors import Rejection
from schemas.leaf import LEAF_VERSION, Leaf
from schemas.reasons import Note
from security.data_key import WrappedDataKey
from streams.storage.commit_rows import CommitRows


class ReplayRecorder(Recorder):
    """Builds the rows of one replay's commit.

    Args:
        batch: Collects the leaves.
        now: The time of the decision.
        actor: Gives the pseudonym, in a tenant's log, of who replays.
    """

    def __init__(self, batch: LeafBatch, now: dt.datetime, actor: Callable[[str], str]) -> None:
        super().__init__(batch, now, _no_contradictions)
        self._now = rfc3339(now)
        self._actor = actor

    def replay(
        self,
        attempts: Sequence[Attempt],
        first_entries: Mapping[tuple[int, bytes], UUID],
        data_keys: Sequence[WrappedDataKey],
    ) -> CommitRows:
        """The rows of these attempts, all of them judged."""
        self._rows.data_keys += map(data_key_row, data_keys)
        for attempt in attempts:
            self._replay_leaf(attempt)
            if attempt.taken_in:
                if attempt.item is not None:
                    self._item(attempt.message, attempt.item, first_entries)
                else:
                    self._message(attempt.message, first_entries)
                    # What had its name before had arrived then.
                    if attempt.message.sequence is not None and attempt.letter.record is None:
                        self._arrival(attempt.message, attempt.message.sequence)
        return self._finished()

    def _replay_leaf(self, attempt: Attempt) -> None:
        """One leaf, in the log of whoever the message turns out to belong to."""
        letter, rejection, log = attempt.letter, attempt.rejection, attempt.message.owner.log
        outcome = replay_outcome(attempt)
        record, message = replay_names(attempt)
        ordinal = self._batch.add(
            log,
            Leaf(
                v=LEAF_VERSION,
                commit=self._batch.commit_id,
                kind="replay",
                time=self._now,
                actor=self._actor(log.tenant),
                first=letter.first,
                linked=str(letter.name),
                outcome=outcome,
                reason=rejection.reason if rejection is not None else None,
                record=str(record) if record is not None else None,
                message=str(message),
            ),
        )
        reason = rejection.reason.value if rejection is not None else None
        self._rows.replays.append(
            (log.log_id, self._batch.commit_id, ordinal, letter.name, log.tenant, outcome, reason, letter.commit_id)
        )


def replay_outcome(attempt: Attempt) -> str:
    """What became of a dead letter, in the words of the leaf that a first intake would have written."""
    if attempt.rejection is not None:
        return "rejected"
    if attempt.duplicate:
        return Note.DUPLICATE.value
    header = attempt.message.header_outcome
    return header if header is not None and attempt.item is None else attempt.message.items[0].outcome


def replay_names(attempt: Attempt) -> tuple[UUID | None, UUID]:
    """Record and message: today's names when it is in, those of the first leaf when it is refused again."""
    if attempt.rejection is not None:
        return attempt.letter.record, attempt.letter.message_id
    return (attempt.letter.name if attempt.item is not None else attempt.name), attempt.name


def _no_contradictions(messages: Sequence[MessageOutcome], rejection: Rejection) -> NoReturn:
    raise RuntimeError("a replay judges contradictions itself")
