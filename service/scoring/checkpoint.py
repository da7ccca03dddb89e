"""Makes an output survive a kill at any moment: every row once, in order, or a run that goes on.

    OUT.part      results so far, perhaps with some at its end that nobody vouches for
    OUT.journal   what the run is of, then one line for each moment at which all was on the disk:
                  how far the input was read, how long the part was
    OUT           appears in one step, when everything is in it

Results reach the disk before the line that vouches for them; a run that goes on cuts the part back
to the last whole line. A file lock keeps a second run from the same output.
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
    """Everything up to here is on the disk: the input's position, the part's bytes, rows and errors."""

    position: int
    bytes: int
    rows: int
    errors: int
    done: bool = False


class Checkpoint:
    """The two files beside an output, while a run has them."""

    def __init__(self, output: Path, run: Run, *, overwrite: bool = False) -> None:
        """``run`` says what this run is of; going on with another is refused.

        ``overwrite`` forgets an earlier run and its output. Raises ``ScoreRefused``.
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
        """Whether the output is in its place, and only the journal was left."""
        return self.last is not None and self.last.done and not self.part.exists()

    def write(self, content: bytes) -> None:
        """Append to the part."""
        assert self._part is not None
        self._part.write(content)

    def mark(self, position: int, rows: int, errors: int, *, done: bool = False) -> None:
        """Bring the part to the disk, then vouch for it."""
        assert self._part is not None
        self._part.flush()
        os.fsync(self._part.fileno())
        self.last = Mark(position, self._part.tell(), rows, errors, done)
        self._append(asdict(self.last))

    def deliver(self, finish: Callable[[Path, Path], None] | None) -> None:
        """Put the output in its place; ``finish(part, target)`` makes it of the part, if need be.

        A kill in here is made good by doing it again.
        """
        assert self._part is not None
        self._part.close()
        if finish is None:
            self.part.replace(self.output)
        else:
            made = self.output.with_name(f"{self.output.name}.making")
            finish(self.part, made)
            _sync(made)
            made.replace(self.output)
            _sync(self.output.parent)
            self.part.unlink()
        _sync(self.output.parent)

    def close(self, *, remove: bool = False) -> None:
        """Let go of the files; ``remove`` the journal when nothing is left to be gone on with."""
        if remove:
            self._path.unlink(missing_ok=True)
        if self._part is not None:
            self._part.close()
        self._file.close()

    def _last_mark(self, run: Run, overwrite: bool) -> Mark | None:
        """Lock the journal; return its last mark, if there is a run to be gone on with."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ScoreRefused(f"another run is writing {self.output}") from None
        lines = [] if overwrite else _whole_lines(self._file)
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
        told = {
            "input": "the input is not the one that it was begun with",
            "model": f"it was begun with model {before.get('model')}, not {run['model']}",
            "version": (
                f"it was begun with version {before.get('version')} of the model, not {run['version']};"
                f" --version {before.get('version')} goes on with that one"
            ),
        }.get(name, f"its {name} is another")
        raise ScoreRefused(
            f"{self.part} is of another run: {told}. --overwrite starts over, another --output keeps"
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


def _whole_lines(file: IO[bytes]) -> list[Run]:
    """The journal's lines; what a kill left of a last one is cut off."""
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
