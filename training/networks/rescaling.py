"""Bring another survey's features to the scale of the training rows, before the unchanged network.

Receivers, folding software and units shift and stretch columns. A column's map is
x = factor * x' + shift; it is the one that gives the first layer's inputs the mean and the spread that
they had in training. These are bounded by the squash, so that a few extreme rows do not decide. Rows are
weighted, so that a sample with another share of each class does not pass for another scale.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.health.inputs import Inputs
from models.networks.outputs import INPUT
from training.errors import ExportError

Array = NDArray[np.float64]
#: Gives the inputs of the first layer ``(n, F)`` for raw features ``(n, F)``.
Squashed = Callable[[NDArray[np.float32]], NDArray[np.floating]]

#: The constants of the graph that hold the map.
_FACTOR, _SHIFT, _MAPPED = "survey.factor", "survey.shift", "survey.features"
#: A column whose mean and spread differ by less than so many standard errors keeps its scale.
_SHOWN = 3.0
#: Raw values over which the squash is inverted to begin with, and the steps of Newton's method after it.
_GRID = np.concatenate([-np.geomspace(1e6, 1e-3, 500), [0.0], np.geomspace(1e-3, 1e6, 500)])
_STEPS, _DIFFERENCE, _HALVINGS = 40, 1e-2, 6
#: With fewer different values a column is a code or a count, whose scale is known.
_FEWEST_VALUES = 10


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of F features: ``factor`` above 0 and ``shift``, ``(F,)`` each; 1 and 0 is unchanged."""

    factor: Array
    shift: Array

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Which features are mapped, ``(F,)``."""
        return np.asarray((self.factor != 1) | (self.shift != 0))

    def __call__(self, raw: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return raw rows ``(n, F)`` at the scale of the training rows."""
        return (raw.astype(np.float64) * self.factor + self.shift).astype(np.float32)


def matched(
    raw: NDArray[np.floating],
    weights: Array,
    inputs: Inputs,
    squashed: Squashed,
    columns: NDArray[np.bool_],
) -> Maps:
    """Fit the maps of some ``columns`` ``(F,)`` to raw rows ``(n, F)``, not NaN, with weights ``(n,)``.

    ``inputs`` is the reference of the training rows' inputs.
    """
    features = raw.shape[1]
    share = weights / weights.sum()
    centre = inputs.centre.astype(np.float64)
    spread = np.sqrt(np.maximum(inputs.square, 1e-12)) * inputs.spread
    error = float(np.sqrt(np.sum(np.square(share))))

    def gaps(values: NDArray[np.floating]) -> Array:
        """Differences of mean and log-spread to those of training, ``(2, F)``, in units of spread."""
        units = np.nan_to_num(squashed(values.astype(np.float32)).astype(np.float64))
        mean = share @ units
        own = np.sqrt(np.maximum(share @ np.square(units - mean), 1e-12))
        return np.asarray(np.stack([(mean - centre) / spread, np.log(own / spread)]))

    varied = np.array([len(np.unique(raw[:, at])) >= _FEWEST_VALUES for at in range(features)])
    shifted = np.abs(gaps(raw)).max(axis=0) > _SHOWN * error
    fitted = columns & varied & shifted & (spread > 1e-5)
    if not fitted.any():
        return Maps(np.ones(features), np.zeros(features))
    middle, width, start = _beginning(raw.astype(np.float64), share, centre, spread, squashed)
    from_middle = (raw - middle) / width

    def mapped(step: Array) -> Array:
        low, middle_of_training, high = start
        half = (high - low) / 2
        return np.asarray(half * np.exp(step[0]) * from_middle + middle_of_training + half * step[1])

    steps = _newton(lambda step: gaps(mapped(step)), features)
    half = (start[2] - start[0]) / 2
    factor = half * np.exp(steps[0]) / width
    shift = start[1] + half * steps[1] - factor * middle
    return Maps(np.where(fitted, factor, 1.0), np.where(fitted, shift, 0.0))


def _beginning(
    raw: Array, share: Array, centre: Array, spread: Array, squashed: Squashed
) -> tuple[Array, Array, Array]:
    """Medians and half widths ``(F,)`` of the rows, and what lies one spread about training's mean."""
    features = raw.shape[1]
    quantiles = np.empty((3, features))
    for at in range(features):
        order = np.argsort(raw[:, at])
        quantiles[:, at] = np.interp((0.16, 0.5, 0.84), np.cumsum(share[order]), raw[order, at])
    table = squashed(np.repeat(_GRID[:, None], features, axis=1).astype(np.float32)).astype(np.float64)
    start = np.empty((3, features))
    for at in range(features):
        rising = np.maximum.accumulate(table[:, at])
        levels = centre[at] + spread[at] * np.array([-1.0, 0.0, 1.0])
        start[:, at] = np.interp(levels, rising, _GRID)
    start[2] = np.maximum(start[2], start[0] + 1e-6)
    width = np.maximum((quantiles[2] - quantiles[0]) / 2, 1e-12)
    return quantiles[1], width, start


def _newton(gaps: Callable[[Array], Array], features: int) -> Array:
    """Solve gaps ``(2, F)`` = 0 for steps ``(2, F)``, all columns at once and each by itself."""
    steps = np.zeros((2, features))
    now = gaps(steps)
    for _ in range(_STEPS):
        slopes = np.empty((2, 2, features))
        for at in range(2):
            moved = steps.copy()
            moved[at] += _DIFFERENCE
            slopes[:, at] = (gaps(moved) - now) / _DIFFERENCE
        square = np.moveaxis(slopes, 2, 0)
        ridge = np.moveaxis(square, 1, 2) @ square + 1e-4 * np.eye(2)
        wanted = -np.linalg.solve(ridge, np.moveaxis(square, 1, 2) @ now.T[:, :, None])[:, :, 0].T
        wanted = np.clip(wanted, -1.0, 1.0)
        scale = np.ones(features)
        for _ in range(_HALVINGS):
            tried = steps + scale * wanted
            result = gaps(tried)
            better = np.square(result).sum(axis=0) < np.square(now).sum(axis=0)
            steps, now = np.where(better, tried, steps), np.where(better, result, now)
            scale = np.where(better, 0.0, scale / 2)
            if better.all():
                break
        if np.abs(now).max() < 1e-4:
            break
    return steps


def rewritten(model: bytes, platt: Array, maps: Maps | None) -> bytes:
    """Return a graph with another calibration ``(T, 2)``, and with maps before it; no more differs.

    Raises ``ExportError`` if the graph does not keep its calibration under the names known here.
    """
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    kept = {tensor.name: tensor for tensor in graph.initializer}
    for name, values in (("platt.slope", platt[:, 0]), ("platt.intercept", platt[:, 1])):
        if name not in kept:
            raise ExportError(f"the graph has no constant {name}, where its calibration would be")
        _put(kept[name], values.reshape(tuple(kept[name].dims)))
    if maps is not None and maps.changed.any():
        if _FACTOR in kept:  # it was adapted before: first the new map, then the earlier one
            factor, shift = (numpy_helper.to_array(kept[name]) for name in (_FACTOR, _SHIFT))
            _put(kept[_FACTOR], factor * maps.factor)
            _put(kept[_SHIFT], factor * maps.shift + shift)
        else:
            _insert(graph, maps)
    content: bytes = proto.SerializeToString()
    return content


def _put(tensor: onnx.TensorProto, values: NDArray[np.floating]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def _insert(graph: onnx.GraphProto, maps: Maps) -> None:
    """Put the map's two nodes between the graph's input and all that read it."""
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == INPUT:
                node.input[at] = _MAPPED
    for name, values in ((_FACTOR, maps.factor), (_SHIFT, maps.shift)):
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    stretched = f"{_MAPPED}.stretched"
    graph.node.insert(0, helper.make_node("Mul", [INPUT, _FACTOR], [stretched]))
    graph.node.insert(1, helper.make_node("Add", [stretched, _SHIFT], [_MAPPED]))
