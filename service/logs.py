"""Logs: one JSON object per line on standard output, through structlog.

No SMILES and no features ever get here: nothing logs a request's content, and of an unforeseen
exception only its kind and place are logged, since its text may quote the input.
"""

import logging
import sys
import traceback
from typing import IO

import msgspec
import structlog

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Lines:
    """Writes lines to a binary stream; warnings and worse at once, the rest when flushed.

    A flush for every request would cost a system call on the path of each.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def info(self, line: bytes) -> None:
        """Write one line; it leaves the process with the next flush."""
        self._stream.write(line + b"\n")

    def warning(self, line: bytes) -> None:
        """Write one line at once."""
        self._stream.write(line + b"\n")
        self._stream.flush()

    debug = info
    error = critical = exception = warning

    def flush(self) -> None:
        """Write what is waiting."""
        self._stream.flush()


_lines = Lines(sys.stdout.buffer)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return the service's logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def flush() -> None:
    """Write out the lines that are waiting."""
    _lines.flush()


def configure(level: str) -> None:
    """Set up structlog, and let the standard library's warnings come out the same way."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge(logging.WARNING)]
    root.setLevel(logging.WARNING)


def place_of(error: BaseException) -> list[str]:
    """Where an exception was raised, innermost last, without its text or any value."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _render(_: object, __: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)


class _Bridge(logging.Handler):
    """Hands a standard library record, from uvicorn or asyncio, to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        details: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            details |= {"kind": record.exc_info[0].__name__ if record.exc_info[0] else ""}
            details |= {"place": place_of(record.exc_info[1])}
            # The message may quote the exception; its format, written by a programmer, does not.
            get_logger().error(str(record.msg).partition("\n")[0], **details)
        else:
            get_logger().warning(record.getMessage(), **details)
