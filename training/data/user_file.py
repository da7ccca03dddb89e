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
    number: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    day_first: bool = False
    rare: str | None = None
    group: str | None = None
    time: str | None = None
    fold: str | None = None
    weight: str | None = None
    task: str | None = None
    unit: str | None = None
    instead: bool | None = None

    @property
    def says_how(self) -> bool:
        """Whether an option says how a table of other columns than the official ones is to be read."""
        plain = UserFile(self.path, instead=self.instead)
        return self != plain
