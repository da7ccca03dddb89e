"""Logs: one JSON object per line on standard output, through structlog; for a terminal short text.

SMILES and features are never logged: no line holds a request's content, and of an unforeseen exception
only the type and the place are logged, since its text may quote the input.
"""

import logging
import sys
import traceback
from collections.abc import Callable
from functools import partial
from time import gmtime, strftime, time
from typing import Any, Literal

import msgspec
import structlog

from service.observability.console import coloured, text_line
from service.observability.log_writer import LogWriter

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_lines = LogWriter(1)
_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=str).encode


class _Format:
    """How an event becomes a line: JSON unless ``configure`` says otherwise."""

    line: Callable[[Any], bytes] = staticmethod(_encode)


class Plain:
    """Writes one line of level ``info`` per request, as the logger does, at a tenth of its cost."""

    def __init__(self) -> None:
        #: False until ``configure`` is called.
        self.enabled = False
        self.extra: dict[str, object] = {}
        self._second, self._formatted = 0, ""

    def info(self, event: str, details: dict[str, object]) -> None:
        """Write one line of these details, the event, the level and the time."""
        if not self.enabled:
            return
        now = time()
        second = int(now)
        if second != self._second:
            self._second, self._formatted = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        stamp = f"{self._formatted}.{int((now - second) * 1e6):06d}Z"
        details |= {"event": event, "level": "info", "timestamp": stamp, **self.extra}
        _lines.info(_Format.line(details))


plain = Plain()


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return the service's logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def flush() -> None:
    """Have the waiting lines written."""
    _lines.flush()


def dropped() -> int:
    """Return how many lines of this process were dropped, since nobody took them in time."""
    return _lines.dropped


def configure(
    level: str,
    worker: int | None = None,
    *,
    shared: bool = False,
    form: Literal["auto", "text", "json"] = "json",
) -> None:
    """Set up structlog, and send the standard library's warnings through it.

    ``level`` is ``debug``, ``info``, ``warning`` or ``error``; ``worker`` is the number that every line
    shows where there are several workers; ``shared`` says that other processes log to the same place.
    ``form`` is how a line looks; ``auto`` is text on a terminal and JSON otherwise.
    """
    text = form == "text" or (form == "auto" and sys.stdout.isatty())
    colour = coloured() and sys.stdout.isatty()
    _Format.line = staticmethod(partial(text_line, colour=colour) if text else _encode)

    def number(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["worker"] = worker
        return event

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if worker is None else [number]),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=True,
    )
    plain.enabled = _LEVELS[level] <= _LEVELS["info"]
    plain.extra = {} if worker is None else {"worker": worker}
    _lines.shared, _lines.tell = shared, _tell_dropped
    _lines.flush()
    root = logging.getLogger()
    root.handlers = [_Bridge(logging.WARNING)]
    root.setLevel(logging.WARNING)


def _tell_dropped(lines: int) -> bytes:
    stamp = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
    details = {"event": "log lines dropped", "lines": lines, "level": "warning", "timestamp": stamp}
    return _Format.line(details | plain.extra)


def place_of(error: BaseException) -> list[str]:
    """Return where an exception was raised, innermost frame last, without its text or any value."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _render(_: object, __: str, event: structlog.typing.EventDict) -> bytes:
    return _Format.line(event)


class _Bridge(logging.Handler):
    """Passes a record of the standard library's logging, from uvicorn or asyncio, to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        details: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            details |= {"kind": record.exc_info[0].__name__ if record.exc_info[0] else ""}
            details |= {"place": place_of(record.exc_info[1])}
            # The formatted message may quote the exception; the format itself does not.
            get_logger().error(str(record.msg).partition("\n")[0], **details)
        else:
            get_logger().warning(record.getMessage(), **details)
