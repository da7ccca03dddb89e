"""How soon a change in the midst of clean traffic is seen: ``benchmark health-delay``."""

from training.benchmarks.health.onset.run import run

__all__ = ["run"]
