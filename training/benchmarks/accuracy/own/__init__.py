"""Own tables from the file to the served version, beside simple methods on the same folds."""

from training.benchmarks.accuracy.own.judging import run

__all__ = ["run"]
