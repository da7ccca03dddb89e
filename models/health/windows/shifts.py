"""Shifts of many windows at once: by member, by layer, of the inputs, and of each feature."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import DEGRADED_AT, Effects, Shift, largest_of
from models.health.evidence import Sums
from models.health.inputs import Inputs
from models.health.layout import Layout
from models.health.reference import Reference
from models.health.windows.uncertainty import MARGIN, Errors, Evidence, distinct, errors_of

Array = NDArray[np.float64]

#: A change is mostly where it is at least this share of its largest.
_MOST = 0.5
#: The margin of what cannot be told, in standard deviations.
_UNKNOWN = 1e9


@dataclass(frozen=True, slots=True)
class Moved:
    """How far S windows have moved: effects, and what chance may contribute to each (S, parts).

    The parts are each member's departure, each member's distance and, where inputs are watched, the
    directions together, both singles and the largest of the features. ``layers`` are effects and
    margins (2, S, M, L), ``features`` (S, F) each feature's shift, less what chance may contribute.
    """

    effect: Array
    margin: Array
    layers: Array
    features: Array | None
    errors: Errors
    windows: Evidence
    means: Array | None

    @property
    def sure(self) -> Array:
        """The effects less what chance may contribute (S, parts); never negative."""
        return np.maximum(self.effect - self.margin, 0.0)

    def effects(self, window: int, by_layer: Array | None = None) -> Effects:
        """Return the effects of one window."""
        pairs = zip(self.effect[window].tolist(), self.margin[window].tolist(), strict=True)
        shifts = [Shift(*pair) for pair in pairs]
        members, errors = self.layers.shape[2], self.errors
        of_members = tuple(
            largest_of(pair) for pair in zip(shifts, shifts[members : 2 * members], strict=False)
        )
        rows, requests = self.windows.counts[window, :2].round().astype(int).tolist()
        return Effects(
            by_layer=np.zeros_like(self.layers[0, window]) if by_layer is None else by_layer,
            error=float(np.sqrt(np.mean(errors.plain[window] / errors.unit[window]))),
            departures=self.layers[0, window],
            departure_margins=self.layers[1, window],
            members=of_members[:members],
            inputs=largest_of(shifts[2 * members :]) if shifts[2 * members :] else None,
            input_parts=tuple(shifts[2 * members :]),
            features=None if self.features is None else self.features[window],
            rows=rows,
            requests=requests,
            distinct=float(distinct(self.windows)[window]),
            feature_means=None if self.means is None else self.means[window],
        )


def moved(
    reference: Reference,
    layout: Layout,
    windows: Evidence,
    features: Array | None = None,
    offset: Array | None = None,
    feature_offset: Array | None = None,
    before: Evidence | None = None,
    *,
    opening: bool = True,
) -> Moved:
    """Return how far windows have moved.

    ``features`` (S, 2, F) are means of the features' standard scores and of their squares. ``offset``
    (E,) and ``feature_offset`` (2, F) are the means of a live baseline, which then is the centre.
    ``before`` are sums of what came before each window, where that is known, and ``opening`` says
    whether there is nothing because traffic has just begun.
    """
    errors = errors_of(windows, before, opening=opening)
    mean = windows.total / windows.rows
    if offset is not None:
        mean = mean - offset
    # Columns without evidence enough count as if they had not moved, and with no error.
    mean, plain, widened = (
        np.where(errors.counted, part, 0.0) for part in (mean, errors.plain, errors.widened)
    )
    shape = (len(mean), layout.members, layout.layers, 3)
    (departures,), (distances,) = (
        layout.in_evidence(layout.departures),
        layout.in_evidence(layout.distances),
    )
    by_layer = tuple(part[:, departures].reshape(shape) for part in (mean, plain, widened))
    by_member = tuple(part.reshape(*shape[:2], -1) for part in by_layer)
    parts = [_distance(by_member, errors.careful), _single(mean, widened, distances)]
    shifts = None
    if layout.has_inputs:
        (directions,), (singles,) = (
            layout.in_evidence(layout.directions),
            layout.in_evidence(layout.singles),
        )
        along = tuple(part[:, None, directions] for part in (mean, plain, widened))
        parts += [_distance(along, errors.careful), _single(mean, widened, singles)]
        if features is not None and reference.inputs is not None:
            shifts, of_features = _features(reference.inputs, features, feature_offset, errors)
            parts.append(of_features)
    effect, margin = np.concatenate(parts, axis=2)
    return Moved(effect, margin, _distance(by_layer, errors.careful), shifts, errors, windows, features)


def moved_less(alone: Moved, moved: Moved, number: int) -> NDArray[np.bool_]:
    """Say of each stretch whether it surely has no part in the change that one of ``moved`` shows.

    By itself it has not moved, and where most of the change was, it surely moved less.
    """
    sure = moved.sure[number]
    had = sure >= max(DEGRADED_AT, _MOST * float(sure.max()))
    less = (alone.effect + alone.margin < moved.effect[number])[:, had].all(axis=1)
    result: NDArray[np.bool_] = less & (alone.sure.max(axis=1) < DEGRADED_AT)
    return result


def evidence_of(sums: Sums, layout: Layout) -> Evidence:
    """Return one window's sums as ``moved`` takes them."""
    of, within = layout.evidence, sums.within[None]
    return Evidence(
        sums.counts[None], sums.total[None, of], sums.squared[None, of], within, sums.cells[None]
    )


def assess(
    reference: Reference,
    layout: Layout,
    sums: Sums,
    features: Array | None = None,
    offset: Array | None = None,
    feature_offset: Array | None = None,
) -> Effects:
    """Return a window's effects.

    ``features`` (2, F) are means of the features' standard scores and of their squares, over the
    window. ``offset`` (W,) and ``feature_offset`` (2, F) are the means of a live baseline, which then
    is the centre.
    """
    mean = sums.total / max(sums.rows, 1)
    if offset is not None:
        mean = mean - offset
    every = moved(
        reference,
        layout,
        evidence_of(sums, layout),
        None if features is None else features[None],
        None if offset is None else offset[layout.evidence],
        feature_offset,
    )
    error = np.sqrt(np.mean(every.errors.widened[0] / every.errors.unit[0]))
    plain = np.abs(mean[layout.plain]) / reference.spread.ravel() - MARGIN * error
    by_layer = plain.reshape(layout.members, layout.layers, 3).max(axis=2)
    return every.effects(0, np.maximum(by_layer, 0.0))


def _features(inputs: Inputs, means: Array, offset: Array | None, errors: Errors) -> tuple[Array, Array]:
    """Each feature's largest shift less chance (S, F); effect and margin (2, S, 1) of the surest one.

    A feature may shift in its mean, or in the mean of its squares. Its own errors are not kept: a margin
    is that of the columns on average and, for a suffix of traffic, as many times the usual as the
    feature's values spread now.
    """
    centre = np.stack([np.zeros_like(inputs.square), inputs.square]) if offset is None else offset
    moved = np.abs(means - centre)
    moved[:, 1] /= inputs.square_spread
    margin = _of_features(errors)[:, :, None]
    spread = np.ones_like(moved)
    if errors.careful.any():
        own = np.sqrt(np.maximum(means[:, 1] - np.square(means[:, 0]), 1.0))
        squares = np.maximum(means[:, 1] / inputs.square_spread, 1.0)
        spread = np.where(errors.careful[:, :, None], np.stack([own, squares], axis=1), 1.0)
    sure = moved - margin * spread
    flat = sure.reshape(len(moved), -1)
    most = flat.argmax(axis=1)[:, None]
    effect, margin = (
        np.take_along_axis(part.reshape(flat.shape), most, axis=1) for part in (moved, margin * spread)
    )
    return np.maximum(sure.max(axis=1), 0.0), np.stack([effect, margin])


def _distance(parts: Sequence[Array], careful: NDArray[np.bool_]) -> Array:
    """How far windows' means lie from the centre over the last axis together: effects and margins.

    ``parts`` are the means and their squared errors, plain and widened.
    """
    mean, plain, widened = parts
    squares = np.square(mean)
    length = squares.sum(axis=-1)
    effect = np.sqrt(np.maximum(length - plain.sum(axis=-1), 0.0))
    along = (squares * widened).sum(axis=-1) / np.maximum(length, 1e-300)
    spread = np.sqrt(2 * np.square(widened).sum(axis=-1))
    margin = np.sqrt(MARGIN**2 * along + MARGIN * spread)
    # In suffixes, columns that have surely moved each by itself have surely moved so far together: one
    # that has moved with little evidence must not spoil them.
    single = np.maximum(np.abs(mean) - MARGIN * np.sqrt(widened), 0.0)
    apart = np.sqrt(np.square(single).sum(axis=-1))
    better = (apart > effect - margin) & careful.reshape(-1, *[1] * (effect.ndim - 1))
    return np.stack([effect, np.where(better, np.minimum(effect - apart, margin), margin)])


def _single(mean: Array, widened: Array, part: slice) -> Array:
    """How far single columns have moved: effects and margins (2, S, columns)."""
    return np.stack([np.abs(mean[:, part]), MARGIN * np.sqrt(widened[:, part])])


def _of_features(errors: Errors) -> Array:
    """The margin (S, 1) of the features, whose own errors are not kept: that of columns on average."""
    number = errors.counted.sum(axis=1, keepdims=True)
    share = np.where(errors.counted, errors.widened / errors.unit, 0.0).sum(axis=1, keepdims=True)
    known = 2 * number >= errors.counted.shape[1]
    return np.where(known, MARGIN * np.sqrt(share / np.maximum(number, 1)), _UNKNOWN)
