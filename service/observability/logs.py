"""Logs: one JSON object per line on standard output, through structlog.

No SMILES and no features ever get here: nothing logs a request's content, and of an unforeseen
exception only its kind and place are logged, since its text may quote the input.
"""

import contextlib
import logging
import os
import traceback
from time import gmtime, strftime, time

import msgspec
import structlog

#: POSIX lets a pipe take so many bytes of one writer without another's in between (PIPE_BUF).
_PIECE = 4096
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Lines:
    """Writes lines to a file descriptor; warnings and worse at once, the rest when flushed.

    A system call for every request would cost the path of each. Several workers write to one
    stream, so that only whole lines are written, and to a pipe no more at once than it takes in one
    piece.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._size = 0

    def info(self, line: bytes) -> None:
        """Write one line; it leaves the process with the next flush."""
        if self._size + len(line) >= _PIECE:
            self.flush()
        self._waiting.append(line)
        self._size += len(line) + 1

    def warning(self, line: bytes) -> None:
        """Write one line at once."""
        self.info(line)
        self.flush()

    debug = info
    error = critical = exception = warning

    def flush(self) -> None:
        """Write what is waiting."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        content = b"".join(line + b"\n" for line in waiting)
        # A full disk or a reader that went away is no reason to leave a request unanswered.
        with contextlib.suppress(OSError):
            while content:
                content = content[os.write(self._descriptor, content) :]


_lines = Lines(1)


class Plain:
    """Writes lines of level ``info`` as the logger does, at a tenth of its cost, for every request."""

    def __init__(self) -> None:
        #: Nothing is written before ``configure``.
        self.enabled = False
        self.extra: dict[str, object] = {}
        self._second, self._shown = 0, ""

    def info(self, event: str, details: dict[str, object]) -> None:
        """Write one line of these details, to which the event, the level and the time are added."""
        if not self.enabled:
            return
        now = time()
        second = int(now)
        if second != self._second:
            self._second, self._shown = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        stamp = f"{self._shown}.{int((now - second) * 1e6):06d}Z"
        details |= {"event": event, "level": "info", "timestamp": stamp, **self.extra}
        _lines.info(_encode(details))


plain = Plain()


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return the service's logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def flush() -> None:
    """Write out the lines that are waiting."""
    _lines.flush()


def configure(level: str, worker: int | None = None) -> None:
    """Set up structlog, and let the standard library's warnings come out the same way.

    ``worker`` is put in every line where there are several.
    """

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
