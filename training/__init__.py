"""From data to a published bundle; the only package that imports torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.estimator import SnnClassifier, SnnRegressor

__all__ = ["SnnClassifier", "SnnRegressor"]


def __getattr__(name: str) -> Any:
    """Import the estimator when it is asked for: the commands' ``--help`` must not wait for torch."""
    if name in __all__:
        from training import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
