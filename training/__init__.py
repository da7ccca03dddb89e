"""From data to a published bundle; the only package that imports torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.estimator import SnnClassifier

__all__ = ["SnnClassifier"]


def __getattr__(name: str) -> Any:
    """Import the estimator when it is asked for: the commands' ``--help`` must not wait for torch."""
    if name == "SnnClassifier":
        from training.estimator import SnnClassifier

        return SnnClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
