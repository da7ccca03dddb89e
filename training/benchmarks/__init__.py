"""Comparisons of the SNN with other methods, on the same rows and folds, and of what watches it."""

from collections.abc import Callable

from models.registry.store import Repository
from training.benchmarks import graph, health, htru2, integrity, served, signal, tables, tox21
from training.benchmarks.results import Say

#: Name to benchmark: takes the model repository, the numbers of seeds and of processes, and a function
#: that is told progress; returns a report in Markdown.
BENCHMARKS: dict[str, Callable[[Repository, int, int, Say], str]] = {
    "graph": graph.run,
    "health": health.run,
    "htru2": htru2.run,
    "integrity": integrity.run,
    "signal": signal.run,
    "tables": tables.run,
    "tox21": tox21.run,
    "tox21-served": served.run,
}
