"""What a user says of a file of their own; the command line makes one, so nothing heavy is imported."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UserFile:
    """A file and how it is to be read; ``instead`` of the official set, or added to it."""

    path: Path
    target: str | None = None
    positive: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    instead: bool | None = None
