"""Two servers loaded in turn, so that what disturbs one disturbs the other."""

from collections.abc import Callable

from tests.benchmarks.load import Load
from tests.benchmarks.report import Options, ratio, spread

Loads = tuple[list[Load], list[Load]]


def in_turn(options: Options, one: Callable[[float], Load], other: Callable[[float], Load]) -> Loads:
    """Load two servers in turn; the first round warms them up."""
    found: Loads = ([], [])
    for number in range(options.repetitions + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            load = (one, other)[which](options.seconds if number else 1.0)
            if load.errors:
                raise RuntimeError(f"{load.errors} errors")
            if number:
                found[which].append(load)
    return found


def line(name: str, figures: tuple[list[float], list[float]], target: str) -> list[str]:
    """A row of a table: both figures, and their ratio."""
    return [name, spread(figures[0]), spread(figures[1]), f"{ratio(*figures):.3f}", target]


def memory(name: str, more: float, resident: float) -> list[str]:
    """A row of a table: MiB when ready with something, and without it."""
    ratio = f"{more / resident:.3f}"
    return [f"{name}: resident when ready, MiB", f"{more:.0f}", f"{resident:.0f}", ratio, ""]


def rates(loads: Loads) -> tuple[list[float], list[float]]:
    """Answers a second."""
    return [load.rate for load in loads[0]], [load.rate for load in loads[1]]


def costs(loads: Loads) -> tuple[list[float], list[float]]:
    """Microseconds of a server's processor for an answer."""
    return [1e6 * load.cost for load in loads[0]], [1e6 * load.cost for load in loads[1]]
