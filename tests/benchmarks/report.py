"""What a benchmark gives back: Markdown tables, or the reason why there are none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

Cell = str | float | int | None


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    #: The model repository whose bundles are served.
    models: Path
    #: Interleaved repetitions of everything that is compared.
    repetitions: int = 5
    #: Seconds of load in one repetition.
    seconds: float = 5.0
    #: Length of the soak.
    minutes: float = 20.0
    #: Of a benchmark of several parts: those that are run, all of them if empty.
    parts: tuple[str, ...] = ()
    #: Where such a benchmark writes each part's tables as soon as it has them.
    folder: Path | None = None
    #: Called with a line of progress.
    say: Callable[[str], None] = lambda line: None


class Skipped(Exception):
    """A benchmark that cannot be run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; ``notes`` say how its figures came to be."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        """The table as Markdown, its notes below."""
        head = [f"### {self.title}", "", _line(self.columns), "|---" * len(self.columns) + "|"]
        body = [_line([shown(cell) for cell in row]) for row in self.rows]
        return "\n".join([*head, *body, *(f"\n{note}" for note in self.notes)]) + "\n"

    def document(self) -> dict[str, object]:
        """The table as JSON has it."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "notes": list(self.notes),
        }


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def shown(cell: Cell) -> str:
    """A figure to three significant digits, or whole from a hundred up."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 100:
        return f"{cell:,.0f}"
    return f"{cell:.3g}"


def spread(values: Sequence[float]) -> str:
    """A median and its range, as tables show repetitions: ``12 (11–13)``."""
    low, high = shown(min(values)), shown(max(values))
    middle = shown(median(values))
    return middle if low == high else f"{middle} ({low}–{high})"


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of what was measured in the same repetition."""
    return median(a / b for a, b in zip(over, under, strict=True))
