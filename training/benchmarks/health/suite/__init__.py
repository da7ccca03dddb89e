"""Activations' scores beside outlier detectors on public tables: ``benchmark health --suite``."""

from training.benchmarks.health.suite.run import run

__all__ = ["run"]
