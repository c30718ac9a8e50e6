"""Events of frames and commits in the log, at debug level."""

import structlog

from agents.commits.observation import UNWATCHED, CommitMade, FrameWatch, Observer
from agents.commits.record_batch import RecordBatch

log = structlog.get_logger(__name__)


class Told(Observer):
    """Tells the log where frames come from and what commits hold."""

    def frame(self, batch: RecordBatch) -> FrameWatch:
        """A frame begins its way."""
        log.debug("frame.began", topic=batch.topic, partition=batch.partition, first=batch.first, next=batch.next)
        return UNWATCHED

    def committed(self, commit: CommitMade) -> None:
        """A commit is durable."""
        log.debug(
            "commit.made",
            commit_id=commit.commit_id,
            frames=commit.frames,
            messages=commit.messages,
            seconds=round(commit.ended - commit.began, 4),
        )
