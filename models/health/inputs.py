"""The reference of the inputs: by feature, along their leading directions, and beside those."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: The least spread of a feature, as a share of the 90th percentile of all spreads: a fragment that one
#: molecule in a thousand has must not look like a thousand of them.
FEATURE_FLOOR = 0.5
#: The least spread of a squared standard score, which is about this for a wide feature.
SQUARE_FLOOR = 0.7
#: The spread of a narrow feature's squares: they repeat what its mean says, and stray, so they count
#: for nothing.
_IGNORED = 1e6

_SINGLE_PRECISION = ("centre", "projection")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The reference of the inputs, features as the first layer sees them: F features, k directions.

    ``centre`` and ``spread`` (F,) are each feature's mean and standard deviation, ``square`` and
    ``square_spread`` (F,) those of its squared standard score; both spreads have a floor.
    ``projection`` (F, k) turns features less their centre into standard scores along the leading
    directions, whose variances are ``weights`` (k,). ``energy`` and ``scale`` (2,) are mean and standard
    deviation of the log of the energy beside the directions, and of the log-distance along them. The
    products of the first ``crosses`` scores, and their sizes, help to predict the layers.
    """

    centre: NDArray[np.float32]
    spread: Array
    square: Array
    square_spread: Array
    projection: NDArray[np.float32]
    weights: Array
    energy: Array
    scale: Array
    crosses: int

    @property
    def directions(self) -> int:
        """The number of leading directions, k."""
        return int(self.projection.shape[1])

    @property
    def has_beside(self) -> bool:
        """Whether there are more features than directions, so that something lies beside them."""
        return self.directions < len(self.centre)

    @property
    def terms(self) -> int:
        """The number of terms that predict a layer's statistics."""
        return terms_of(self.directions, self.crosses)

    def floored(self) -> "Inputs":
        """Return the same reference with the floors applied to both spreads."""
        floor = FEATURE_FLOOR * float(np.quantile(self.spread, 0.9))
        spread = np.maximum(self.spread, max(floor, 1e-9))
        ratio = np.square(self.spread / spread)
        square_spread = np.maximum(self.square_spread * ratio, SQUARE_FLOOR)
        square_spread[self.spread < spread] = _IGNORED
        return replace(self, spread=spread, square=self.square * ratio, square_spread=square_spread)


def terms_of(directions: int, crosses: int) -> int:
    """Count the terms: a constant, each direction, and the first ones' products and sizes."""
    return 1 + directions + crosses * (crosses + 1) // 2 + crosses


def inputs_of(arrays: Mapping[str, NDArray[np.generic]], features: int) -> Inputs | None:
    """Read the arrays ``inputs_…`` of a reference file; None where there are none.

    Raises ``ValueError`` if they are malformed or not of so many features.
    """
    if "inputs_projection" not in arrays:
        return None
    projection, crosses = arrays["inputs_projection"], int(arrays.get("inputs_crosses", np.array(-1)))
    directions = projection.shape[1] if projection.ndim == 2 else -1
    if not 0 <= crosses <= directions:
        raise ValueError("its inputs' directions are malformed")
    by_feature = dict.fromkeys(("centre", "spread", "square", "square_spread"), (features,))
    shapes: dict[str, tuple[int, ...]] = {
        **by_feature,
        "projection": (features, directions),
        "weights": (directions,),
        "energy": (2,),
        "scale": (2,),
    }
    check_shapes(arrays, {f"inputs_{name}": shape for name, shape in shapes.items()})
    values: dict[str, Any] = {
        name: arrays[f"inputs_{name}"].astype(np.float32 if name in _SINGLE_PRECISION else np.float64)
        for name in shapes
    }
    if not ((values["spread"] > 0).all() and (values["square_spread"] > 0).all()):
        raise ValueError("a spread of its inputs is not positive")
    # Floors that have grown since a bundle was published hold for it, too.
    return Inputs(crosses=crosses, **values).floored()


def arrays_of(inputs: Inputs) -> dict[str, NDArray[np.generic]]:
    """Return the arrays that ``inputs_of`` reads, by name."""
    return {f"inputs_{field.name}": np.asarray(getattr(inputs, field.name)) for field in fields(Inputs)}


def check_shapes(
    arrays: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise ``ValueError`` unless every array is there, of its shape, and of finite numbers."""
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None or array.shape != shape or array.dtype.kind not in "fi":
            raise ValueError(f"{name} is not an array of shape {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds what is no number")
