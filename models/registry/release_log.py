"""The release log: which version was served when, by whose decision, and why; append-only.

One JSON object per line in ``releases.jsonl`` of the state folder. Writers exclude each other by a lock
and sync each line to the disk. A line that a crash left incomplete stays on a line of its own, which
readers skip.
"""

import fcntl
import getpass
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

LOG_FILE = "releases.jsonl"

Action = Literal[
    "promote", "hold", "rollback", "serve", "refuse", "unload", "load", "retire", "trial", "drop"
]

#: Readers read at most this much of the end; a line takes about 200 bytes.
_TAIL_BYTES = 4 * 1024 * 1024
_LONGEST_WHY = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One step.

    ``at``: the time in UTC, ISO 8601. ``action``: among others ``hold``, a version that the gate did
    not pass, ``refuse``, one that cannot be loaded, ``trial``, one that is tried beside the champion,
    and ``drop``, the end of that. ``before`` and ``after``: versions, None for none.
    ``by``: ``key:NAME``, ``cli:USER`` or ``service``.
    """

    at: str
    model: str
    action: Action
    before: int | None
    after: int | None
    by: str
    why: str


class ReleaseLog:
    """The log in one state folder."""

    def __init__(self, state: Path) -> None:
        self._path = state / LOG_FILE

    def add(
        self, model: str, action: Action, before: int | None, after: int | None, by: str, why: str
    ) -> Entry:
        """Log a step that was just taken; raises ``OSError`` if it cannot be written.

        A refusal that repeats the model's last step is not logged again; that step is returned.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = Entry(at, model, action, before, after, by, why[:_LONGEST_WHY])
        line = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with open(descriptor, "rb+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if action == "refuse":
                # Every worker reports the refusal; for the service it is one step.
                for last in self.entries(model, 1):
                    if (last.action, last.before, last.after, last.by) == (action, before, after, by):
                        return last
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # the line before is incomplete; this one must not continue it
            file.write(line)
            os.fsync(descriptor)
        return entry

    def entries(self, model: str | None = None, limit: int = 200) -> list[Entry]:
        """The latest steps, at most ``limit``, oldest first; those of ``model``, if it is given.

        Raises ``OSError`` if the log exists and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - _TAIL_BYTES))
                lines = file.read(_TAIL_BYTES).splitlines()
        except FileNotFoundError:
            return []
        entries = [entry for line in lines if (entry := _entry(line))]
        return [entry for entry in entries if model in (None, entry.model)][-limit:]


def _entry(line: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None


def command_line_user() -> str:
    """The user of a command, as the log names them: ``cli:USER``."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user need not have a name
        return f"cli:{os.getuid()}"
