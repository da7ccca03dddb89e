"""Whether a fault's kind is named rightly, and the model is not blamed: ``benchmark health-kinds``."""

from training.benchmarks.health.kinds.run import run

__all__ = ["run"]
