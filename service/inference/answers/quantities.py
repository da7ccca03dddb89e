"""What is told of quantities: values and the intervals that hold them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.networks.outputs import INTERVAL, VALUE

Told = dict[str, object]


def quantities_of(
    outputs: Mapping[str, NDArray[np.floating]], targets: Sequence[str], decimals: Sequence[int]
) -> list[Told | None]:
    """Return ``value`` and ``interval`` of each row by target; None for a row that is not finite.

    ``outputs`` are ``value`` of shape ``(n, T)`` and ``interval`` ``(n, T, 2)``. Numbers are rounded to
    ``decimals`` places.
    """
    value, interval = outputs[VALUE], outputs[INTERVAL]
    finite = np.isfinite(value).all(axis=1) & np.isfinite(interval).all(axis=(1, 2))
    values = [np.round(column, places) for column, places in zip(value.T, decimals, strict=True)]
    ends = [np.round(interval[:, at], places).tolist() for at, places in enumerate(decimals)]
    rows = zip(np.stack(values, axis=1).tolist(), zip(*ends, strict=True), strict=True)
    return [
        {
            "value": dict(zip(targets, own, strict=True)),
            "interval": dict(zip(targets, low_and_high, strict=True)),
        }
        if known
        else None
        for known, (own, low_and_high) in zip(finite.tolist(), rows, strict=True)
    ]
