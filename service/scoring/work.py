"""What an engine of offline scoring is given, and what it gives back."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from service.scoring.scorer import Job, Scored
from service.tables import RecordSchema, Source


@dataclass(frozen=True, slots=True)
class Work:
    """All that is left of a file: ``source`` stands where it begins.

    ``piece`` is how many records are scored at a time. It decides what is computed together, so that
    engines with the same pieces give the same bytes. ``workers`` None is as many as there are cores.
    """

    file: Path
    kind: str
    form: RecordSchema
    source: Source
    job: Job
    piece: int
    workers: int | None


#: Scored pieces in order, each with the position in the source at which it ended.
Pieces = Generator[tuple[int, Scored]]

#: Scores what is left. ``MalformedInput`` comes after all that could be read.
Engine = Callable[[Work], Pieces]
