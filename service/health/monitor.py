"""Watches the activations and inputs of one version of one model, on every batch.

Each batch's rows get a conformal p-value at once. Their statistics are gathered, summed up some
hundred rows at a time, and enter the windows once a second or when they are looked at. The verdict
compares windows with the bundle's reference, or with a baseline that an operator took. It describes
the traffic and never decides whether the model may serve.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.effect_size import Effects, assess
from models.health.evidence import Sums, values_width
from models.health.reference import Reference
from models.networks.outputs import SQUASHED, TAPS
from models.networks.selu import SATURATION
from service.health.accumulator import StatisticsAccumulator
from service.health.outliers import OutlierLog, OutlierRow
from service.health.row_owner import RowOwner
from service.health.verdict import UNWATCHED, Alarmed, HealthVerdict, judge
from service.health.windows import History, Window, Windows, read
from service.observability.counters import Activations, Traffic

#: For how long sums are kept; they enter the windows as of the time of the first row.
_GATHER_SECONDS = 1.0

#: A version that is reloaded has two monitors for a moment, which add to the same sums.
_sums_lock = Lock()

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Means of live traffic that an operator declared to be healthy; ``features`` is (2, F) or None."""

    taken_at: datetime
    offset: Array
    features: Array | None


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict, and the windows and effects by name that it was reached by."""

    judgement: HealthVerdict
    windows: dict[str, Window]
    effects: dict[str, Effects]


#: The health of a model without taps, which has no monitor.
NOT_WATCHED = Health(UNWATCHED, {}, {})


class Monitor:
    """Statistics of one served version. Safe to call from the loop and from the session's thread."""

    def __init__(
        self,
        reference: Reference,
        clock: Callable[[], float] = monotonic,
        traffic: Traffic | None = None,
        names: Sequence[str] = (),
        keep_features: bool = False,
    ) -> None:
        """``clock`` is monotonic, in seconds; ``names`` are the features'.

        ``traffic`` is where the sums go that outlive a reload of this version. ``keep_features`` allows
        the features of rows that departed to be kept and shown.
        """
        self.reference, self.clock, self.names = reference, clock, names
        self.detector = Detector(reference)
        #: What an operator has declared to be healthy, in the reference's place.
        self.baseline: Baseline | None = None
        self._traffic = Traffic() if traffic is None else traffic
        self._lock = Lock()
        self._outliers = OutlierLog()
        self._accumulator = StatisticsAccumulator(
            self.detector, self._outliers, keep_features=keep_features
        )
        features = 0 if reference.inputs is None else 2 * len(reference.inputs.centre)
        self._windows = Windows(values_width(self.detector.layout), features)
        self._gathered_at = clock()

    def observe(
        self, outputs: Mapping[str, NDArray[np.floating]], parts: Sequence[RowOwner] = ()
    ) -> Array:
        """Take in a batch's outputs; return one p-value per row (n,).

        Of the outputs, ``taps`` has shape (n, members, layers, 3) and ``squashed``, where the graph
        gives it, (n, F); ``parts`` says whose the rows are, in their order.
        """
        p_values, judged = self.detector.judge(outputs[TAPS], outputs.get(SQUASHED))
        now = self.clock()
        with self._lock:
            if now - self._gathered_at > _GATHER_SECONDS:
                self._fold(now)
            if self._accumulator.empty:
                self._gathered_at = now
            self._accumulator.add(judged, p_values, parts, now)
        return p_values.round(6)

    def health(self, others: Sequence[History] = (), alarm: Alarmed | None = None) -> Health:
        """Judge the windows as they are now, together with those of other workers."""
        windows = read([self.history(), *others], self.clock())
        effects = {name: self.effects(window) for name, window in windows.items()}
        return Health(judge(effects, self.names, alarm), windows, effects)

    def effects(self, window: Window) -> Effects:
        """Return how far a window has moved from the baseline, or else the reference."""
        baseline = self.baseline
        return assess(
            self.reference,
            self.detector.layout,
            Sums.of(window.counts, window.values, self.detector.layout),
            _feature_means(window),
            None if baseline is None else baseline.offset,
            None if baseline is None else baseline.features,
        )

    def centre_of(self, window: Window) -> tuple[Array, Array | None]:
        """Return the means of a window that has rows, as a baseline holds them."""
        sums = Sums.of(window.counts, window.values, self.detector.layout)
        return sums.total / window.count, _feature_means(window)

    def history(self) -> History:
        """Return a copy of what the windows hold, to be read together with other workers'."""
        with self._lock:
            self._fold(self.clock())
            return self._windows.history()

    def departing(self) -> list[OutlierRow]:
        """Return the rows that departed furthest in the last hour."""
        with self._lock:
            now = self.clock()
            self._fold(now)
            return self._outliers.read(now)

    def take_over(self, history: History) -> None:
        """Go on with the windows of a worker that died."""
        with self._lock:
            self._windows.take_over(history)

    def _fold(self, now: float) -> None:
        """Bring what was gathered into the windows and the traffic's sums."""
        if self._accumulator.empty:
            return
        counts, values, features, not_finite = self._accumulator.take(now)
        sums = None
        if counts[0]:
            self._windows.add(counts, values, features, self._gathered_at)
            mean, pooled, _ = layer_statistics(self.detector, Window(counts, values, None))
            shifted = np.maximum(mean - SATURATION, 0.0)
            squared = np.maximum(np.square(mean - SATURATION) + pooled, 0.0)
            sums = Activations(int(counts[0]), counts[0] * shifted, counts[0] * squared)
        with _sums_lock:
            self._traffic.not_finite += not_finite
            before = self._traffic.activations
            if sums is not None:
                self._traffic.activations = sums if before is None else before.plus(sums)


def _feature_means(window: Window) -> Array | None:
    if window.features is None or not window.count:
        return None
    means: Array = window.features.reshape(2, -1) / window.count
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
