"""Comparisons of the SNN with other methods, on the same rows and folds, and of what watches it."""

from collections.abc import Callable

from models.store import Repository
from training.benchmarks import htru2, integrity, tox21

#: Name to benchmark: takes the model repository, the number of seeds and a function that is told
#: progress, and returns a table in Markdown.
BENCHMARKS: dict[str, Callable[[Repository, int, Callable[[str], None]], str]] = {
    "htru2": htru2.run,
    "integrity": integrity.run,
    "tox21": tox21.run,
}
