"""Writes an output so that a run which is killed at any moment can continue without losing a row.

    OUT.part      the results so far, perhaps with some at its end that are not marked
    OUT.journal   what the run is of, then one line per mark: how far the input was read, and how
                  long OUT.part was
    OUT           appears in one step when it is complete

Results are on the disk before the line that marks them. A run that continues truncates OUT.part to the
last complete mark. A file lock prevents a second run with the same output.
"""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from service.errors import ScoreRefused

Run = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """All results up to here are on the disk.

    ``position`` is the input's, ``bytes`` the length of the part; both count from the beginning, as do
    ``rows``, ``errors``, and the rows ``judged`` and found ``unlike``. ``done`` says that all is scored.
    """

    position: int
    bytes: int
    rows: int
    errors: int
    done: bool = False
    judged: int = 0
    unlike: int = 0


class Checkpoint:
    """The part and the journal of one output, open for one run."""

    def __init__(self, output: Path, run: Run, *, overwrite: bool = False) -> None:
        """``run`` identifies the run; a different earlier run of this output is not continued.

        ``overwrite`` discards an earlier run and its output. Raises ``ScoreRefused`` if there is an
        output or a different run already, if another process writes this output, or if it cannot be
        written.
        """
        self.output = output
        self.part = output.with_name(f"{output.name}.part")
        self._path = output.with_name(f"{output.name}.journal")
        self._part: IO[bytes] | None = None
        try:
            self._file: IO[bytes] = self._path.open("a+b")
            try:
                self.last = self._last_mark(run, overwrite)
                if self.last is None:
                    self._begin(run)
                elif not self.is_delivered:
                    self._cut_back(self.last)
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise ScoreRefused(f"{output}: cannot be written there: {error.strerror}") from error

    @property
    def is_delivered(self) -> bool:
        """Whether the output is complete, and only the journal is left."""
        return self.last is not None and self.last.done and not self.part.exists()

    def write(self, content: bytes) -> None:
        """Append results to the part."""
        assert self._part is not None
        self._part.write(content)

    def mark(
        self,
        position: int,
        rows: int,
        errors: int,
        *,
        done: bool = False,
        judged: int = 0,
        unlike: int = 0,
    ) -> None:
        """Flush the part to the disk, then mark it."""
        assert self._part is not None
        self._part.flush()
        os.fsync(self._part.fileno())
        self.last = Mark(position, self._part.tell(), rows, errors, done, judged, unlike)
        self._append(asdict(self.last))

    def deliver(self, finish: Callable[[Path, Path], None] | None) -> None:
        """Turn the part into the output; ``finish(part, target)`` converts it, if given.

        After a kill in here it can be called again.
        """
        assert self._part is not None
        self._part.close()
        if finish is None:
            self.part.replace(self.output)
        else:
            converted = self.output.with_name(f"{self.output.name}.making")
            finish(self.part, converted)
            _sync(converted)
            converted.replace(self.output)
            _sync(self.output.parent)
            self.part.unlink()
        _sync(self.output.parent)

    def close(self, *, remove: bool = False) -> None:
        """Close the files; ``remove`` deletes the journal, when there is nothing to continue."""
        if remove:
            self._path.unlink(missing_ok=True)
        if self._part is not None:
            self._part.close()
        self._file.close()

    def _last_mark(self, run: Run, overwrite: bool) -> Mark | None:
        """Lock the journal; return its last mark, or None if there is no run to continue."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ScoreRefused(f"another run is writing {self.output}") from None
        lines = [] if overwrite else _complete_lines(self._file)
        if lines:
            self._check(lines[0], run)
        elif self.output.exists() and not overwrite:
            self._path.unlink()
            raise ScoreRefused(
                f"{self.output} is there already; name another --output or --overwrite it"
            )
        return Mark(**lines[-1]) if len(lines) > 1 else None

    def _check(self, before: Run, run: Run) -> None:
        differences = [name for name in run if before.get(name) != run[name]]
        if not differences:
            return
        name = differences[0]
        reason = {
            "input": "the input is not the one that it was begun with",
            "model": f"it was begun with model {before.get('model')}, not {run['model']}",
            "version": (
                f"it was begun with version {before.get('version')} of the model, not {run['version']};"
                f" --version {before.get('version')} goes on with that one"
            ),
        }.get(name, f"its {name} is another")
        raise ScoreRefused(
            f"{self.part} is of another run: {reason}. --overwrite starts over, another --output keeps"
            " both"
        )

    def _begin(self, run: Run) -> None:
        self._file.truncate(0)
        self._part = self.part.open("wb")
        self._append(run)
        _sync(self.output.parent)

    def _cut_back(self, mark: Mark) -> None:
        size = self.part.stat().st_size if self.part.exists() else 0
        if size < mark.bytes:
            raise ScoreRefused(f"{self.part} is shorter than its journal says; --overwrite starts over")
        self._part = self.part.open("r+b")
        self._part.truncate(mark.bytes)
        self._part.seek(mark.bytes)

    def _append(self, line: Run) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _complete_lines(file: IO[bytes]) -> list[Run]:
    """Return the journal's lines; an incomplete last line is removed."""
    file.seek(0)
    lines: list[Run] = []
    end = 0
    for line in file.read().splitlines(keepends=True):
        try:
            document = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not isinstance(document, dict):
            break
        lines.append(document)
        end += len(line)
    file.truncate(end)
    return lines


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
