"""How well the monitor finds faults, and how seldom it cries wolf: ``benchmark health``."""

from training.benchmarks.health.run import run

__all__ = ["run"]
