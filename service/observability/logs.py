"""Logs: one JSON object per line on standard output, through structlog.

SMILES and features are never logged: no line holds a request's content, and of an unforeseen exception
only the type and the place are logged, since its text may quote the input.
"""

import contextlib
import logging
import os
import traceback
from time import gmtime, strftime, time

import msgspec
import structlog

#: So many bytes are written to a pipe without another writer's in between (POSIX's PIPE_BUF).
_ATOMIC_BYTES = 4096
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Lines:
    """Writes lines to a file descriptor: warnings and errors at once, others with the next flush.

    A system call per request would make every request slower. Several workers write to one stream, so
    that only complete lines are written, and no more at once than a pipe takes in one piece.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._size = 0

    def info(self, line: bytes) -> None:
        """Write one line with the next flush."""
        if self._size + len(line) >= _ATOMIC_BYTES:
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
        """Write the waiting lines; those that cannot be written are lost."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        content = b"".join(line + b"\n" for line in waiting)
        # Requests are answered although the disk is full or the reader has gone.
        with contextlib.suppress(OSError):
            while content:
                content = content[os.write(self._descriptor, content) :]


_lines = Lines(1)


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
        _lines.info(_encode(details))


plain = Plain()


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return the service's logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def flush() -> None:
    """Write the waiting lines."""
    _lines.flush()


def configure(level: str, worker: int | None = None) -> None:
    """Set up structlog, and send the standard library's warnings through it.

    ``level`` is ``debug``, ``info``, ``warning`` or ``error``; ``worker`` is the number that every line
    shows where there are several workers.
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
    """Return where an exception was raised, innermost frame last, without its text or any value."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _render(_: object, __: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)


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
