"""Finding the records that make work on a list of them fail, by halves. What is done with one is the caller's part."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

import structlog

from schemas.errors import Rejection
from schemas.reasons import Reason
from streams.outages import Verdict, judge, raised_at

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Stage(StrEnum):
    """Where on its way a record was when something raised."""

    INTAKE = "intake"
    INTERPRETATION = "interpretation"
    INFERENCE = "inference"
    SEALING = "sealing"
    COMMIT = "commit"


class StageFailed(Exception):
    """A stage raised something that is no rejection, because of one of the records it worked on.

    Attributes:
        cause: What it raised. Not chained: whoever logs the traceback would log the cause's text, which may quote data.
    """

    def __init__(self, stage: Stage, cause: Exception) -> None:
        super().__init__(f"the {stage} stage raised {type(cause).__name__}")
        self.stage = stage
        self.cause = cause


@contextmanager
def failing_in(stage: Stage) -> Iterator[None]:
    """Say in which stage the body failed, when a record can be to blame; outages and the like go through as they are.

    Raises:
        StageFailed: Bisect.
    """
    try:
        yield
    except StageFailed:
        raise
    except Exception as exc:
        if judge(exc) is not Verdict.RECORD:
            raise
        raise StageFailed(stage, exc) from None


async def bisect(
    items: Sequence[T],
    attempt: Callable[[Sequence[T]], Awaitable[R]],
    condemn: Callable[[T, StageFailed], Awaitable[R]],
) -> list[R]:
    """Do the work on all items, in order, in as few attempts as those allow that make it fail.

    Every attempt begins from the items themselves: what a failed one made is thrown away, its data keys with it.

    Args:
        items: At least one.
        attempt: Does the work on some of them.
        condemn: Is given each item that fails alone.

    Raises:
        Exception: Whatever is no `StageFailed`.
    """
    try:
        return [await attempt(items)]
    except StageFailed as exc:
        failure = exc
    if len(items) == 1:
        return [await condemn(items[0], failure)]
    half = len(items) // 2
    return await bisect(items[:half], attempt, condemn) + await bisect(items[half:], attempt, condemn)


def rejection_for(failure: StageFailed) -> Rejection:
    """What a record is rejected with that no stage rejected."""
    reason = Reason.INFERENCE_FAILED if failure.stage is Stage.INFERENCE else Reason.PROCESSING_FAILED
    return Rejection(reason, str(failure))


def report(failure: StageFailed, topic: str, partition: int, offset: int) -> None:
    """Log which record was condemned, what was raised and where in the code; errors' texts may quote the record."""
    log.error(
        "record.condemned",
        topic=topic,
        partition=partition,
        offset=offset,
        stage=failure.stage,
        error=type(failure.cause).__name__,
        sqlstate=getattr(failure.cause, "sqlstate", None),
        raised_at=raised_at(failure.cause),
    )
