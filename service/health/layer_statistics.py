"""Means of a window's rows: of each layer's statistics, and of each feature."""

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.evidence import Sums
from service.health.windows import Window

Array = NDArray[np.float64]


def feature_means(window: Window) -> Array | None:
    """Return the means of the features' standard scores and of their squares (2, F), or None."""
    if window.features is None or not window.count:
        return None
    means: Array = window.features.reshape(2, -1).astype(np.float64) / window.count
    return means


def layer_statistics(detector: Detector, window: Window) -> tuple[Array, Array, Array]:
    """Return mean, variance and saturated share over all units of all rows, (members, layers) each.

    The variance is that of all of them pooled: the mean within rows plus that between rows' means.
    """
    layout, reference = detector.layout, detector.reference
    sums = Sums.of(window.counts, window.values, layout)
    rows, shape = max(sums.rows, 1), (layout.members, layout.layers)
    plain = (sums.total[layout.plain] / rows).reshape(*shape, 3)
    squares = (sums.squared[layout.plain] / rows).reshape(*shape, 3)[..., 0]
    centre = reference.centre.reshape(*shape, 3)
    within = (sums.total[layout.variance] / rows).reshape(shape)
    within = within + np.array([member.variance for member in reference.members])
    pooled = within + np.maximum(squares - np.square(plain[..., 0]), 0.0)
    return plain[..., 0] + centre[..., 0], pooled, plain[..., 2] + centre[..., 2]
