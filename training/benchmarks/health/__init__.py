"""How well the monitor finds faults, and how often it raises false alarms: ``benchmark health``."""

from training.benchmarks.health.run import run

__all__ = ["run"]
