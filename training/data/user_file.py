"""A user's own data file and how to read it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UserFile:
    """A file and the options to read it; ``instead`` of the official set, or added to it.

    The command line makes one before it imports anything heavy.
    """

    path: Path
    target: str | None = None
    positive: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    instead: bool | None = None
