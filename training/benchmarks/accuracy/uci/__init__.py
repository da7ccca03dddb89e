"""UCI tables: the default recipe beside methods of other kinds, RealMLP and the paper's networks."""

from training.benchmarks.accuracy.uci.judging import run

__all__ = ["run"]
