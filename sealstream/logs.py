"""Logs: one event a line on stderr, with a static name and key values, never a field value of a record.

JSON in production, in development something to read. Messages of libraries come out in the same form, without the
values they were about: an exception's text or an argument may quote a record. For the same reason libraries never log
below warning here, whatever our own level is.
"""

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from schemas.errors import SealstreamError

LIBRARY_EVENT: Final = "library.message"
FRAMES_NAMED: Final = 8

Level = Literal["debug", "info", "warning", "error"]


def configure_logs(level: Level = "info", *, json: bool = False, **bound: str) -> None:
    """Set up structlog and the standard library's loggers for this process.

    Args:
        json: One JSON object a line, for machines; otherwise something to read.
        bound: What every event of this process carries, for example its role and its group.
    """
    process = {"process": os.getpid(), **bound}
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _method, event: {**process, **event},
        name_exceptions,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[keep_no_values, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            # Otherwise the formatter itself fills the message in, values and all.
            use_get_message=False,
            pass_foreign_args=True,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    sys.excepthook = _log_the_end


def keep_no_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Of a library's message keep the logger, the text without what was filled in, and numbers."""
    given = event.get("positional_args") or ()
    arguments = list(given.values()) if isinstance(given, Mapping) else list(given)
    # Only its first line: asyncio puts what it knows of a failed task, its exception's text too, into the others.
    kept: EventDict = {
        "event": LIBRARY_EVENT,
        "logger": event["_record"].name,
        "text": event["event"].partition("\n")[0],
    }
    if numbers := [each for each in arguments if isinstance(each, int | float)]:
        kept["numbers"] = numbers
    if errors := [type(each).__name__ for each in arguments if isinstance(each, BaseException)]:
        kept["errors"] = errors
    kept.update({name: value for name, value in event.items() if name.startswith("_") or name == "exc_info"})
    return kept


def name_exceptions(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and the places it came through; the text stays only where it is ours."""
    found = _exception(event.pop("exc_info", None))
    if found is not None:
        event["exception"] = type(found).__name__
        if isinstance(found, SealstreamError):
            event["what"] = str(found)
        event["raised_at"] = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(found.__traceback__)[-FRAMES_NAMED:]
        ]
        if found.__cause__ is not None:
            event["cause"] = type(found.__cause__).__name__
        if isinstance(found, BaseExceptionGroup):
            event["exceptions"] = [type(each).__name__ for each in found.exceptions]
    return event


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _log_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python would print of an exception that ends the process, without its text."""
    structlog.get_logger(__name__).error("process.failed", exc_info=(kind, error, trace))
