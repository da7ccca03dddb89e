"""Watches the activations and inputs of one version of one model, on every batch.

Each batch's rows get a conformal p-value at once. Their statistics are gathered, summed up some
hundred rows at a time, and enter the windows once a second or when they are looked at. The verdict
compares windows with the bundle's reference, or with a baseline that an operator took. It describes
the traffic and never decides whether the model may serve.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.effect_size import Effects, Sums, assess
from models.health.reference import Reference
from models.networks.outputs import SQUASHED
from models.networks.selu import SATURATION
from service.health.accumulator import Outlier, StatisticsAccumulator
from service.health.outliers import OutlierLog, OutlierRow
from service.health.row_owner import RowOwner
from service.health.verdict import UNWATCHED, VERDICTS, Alarmed, HealthVerdict, Verdict, judge
from service.health.windows import History, Window, Windows, read
from service.observability.counters import Activations, Traffic

__all__ = [
    "VERDICTS",
    "Alarmed",
    "Baseline",
    "Health",
    "HealthVerdict",
    "Monitor",
    "Verdict",
    "layer_statistics",
]

#: For how long sums are kept; they enter the windows as of the time of the first row.
_GATHER_SECONDS = 1.0

#: A version that is reloaded has two monitors for a moment, and their sums are one.
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
    """All that the monitor knows at one moment."""

    judgement: HealthVerdict
    windows: dict[str, Window]
    effects: dict[str, Effects]


#: Of a model without taps, which has no monitor.
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
        """``traffic`` is where the sums go that outlive a reload of this version.

        ``names`` are the features'; ``keep_features`` allows the features of rows that departed to be
        kept and shown.
        """
        self._reference = reference
        self._clock = clock
        self._traffic = Traffic() if traffic is None else traffic
        self._names = names
        self._lock = Lock()
        self.detector = Detector.of(reference)
        self._accumulator = StatisticsAccumulator(self.detector, keep_features=keep_features)
        features = 0 if reference.inputs is None else 2 * len(reference.inputs.centre)
        values = len(self._accumulator.take()[1])
        self._windows = Windows(values, features)
        self._ring = OutlierLog()
        self._gathered_at = clock()
        #: What an operator has declared to be healthy, in the reference's place.
        self.baseline: Baseline | None = None

    @property
    def reference(self) -> Reference:
        """What is healthy for this version."""
        return self._reference

    def now(self) -> float:
        """The time by which the windows go."""
        return self._clock()

    @property
    def names(self) -> Sequence[str]:
        """The features' names."""
        return self._names

    def observe(
        self, outputs: Mapping[str, NDArray[np.floating]], parts: Sequence[RowOwner] = ()
    ) -> Array:
        """Take in a batch's outputs; return one p-value per row.

        Of the outputs, ``taps`` has shape (rows, members, layers, 3) and ``squashed``, where the
        graph gives it, (rows, F); ``parts`` says whose the rows are, in their order.
        """
        p_values, judged = self._accumulator.judge(outputs["taps"], outputs.get(SQUASHED))
        now = self._clock()
        with self._lock:
            if now - self._gathered_at > _GATHER_SECONDS:
                self._fold()
            if self._accumulator.empty:
                self._gathered_at = now
            self._accumulator.add(judged, p_values, parts, now)
        return p_values.round(6)

    def health(self, others: Sequence[History] = (), alarm: Alarmed | None = None) -> Health:
        """Judge the windows as they are now, together with those of other workers."""
        windows = read([self.history(), *others], self._clock())
        effects = {name: self.effects(window) for name, window in windows.items()}
        return Health(judge(effects, self._names, alarm), windows, effects)

    def effects(self, window: Window) -> Effects:
        """Return how far a window has moved from the baseline, or else the reference."""
        layout, baseline = self.detector.layout, self.baseline
        sums = Sums.of(window.counts, window.values, layout)
        features = None
        if window.features is not None and window.count:
            features = window.features.reshape(2, -1) / window.count
        return assess(
            self._reference,
            layout,
            sums,
            features,
            None if baseline is None else baseline.offset,
            None if baseline is None else baseline.features,
        )

    def centre_of(self, window: Window) -> tuple[Array, Array | None]:
        """Return the means of a window, as a baseline holds them."""
        sums, features = Sums.of(window.counts, window.values, self.detector.layout), None
        if window.features is not None:
            features = window.features.reshape(2, -1) / window.count
        return sums.total / window.count, features

    def history(self) -> History:
        """Return a copy of what the windows hold, for whoever reads it together with others."""
        with self._lock:
            self._fold()
            return self._windows.history()

    def departing(self) -> list[OutlierRow]:
        """The rows that departed furthest in the last hour."""
        with self._lock:
            self._fold()
            return self._ring.read(self._clock())

    def take_over(self, history: History) -> None:
        """Go on with the windows of a worker that died."""
        with self._lock:
            self._windows.take_over(history)

    def _fold(self) -> None:
        """Bring what was gathered into the windows and the traffic's sums."""
        if self._accumulator.empty:
            return
        counts, values, features = self._accumulator.take()
        self._note(self._accumulator.furthest)
        self._accumulator.furthest = []
        self._traffic.not_finite += self._accumulator.not_finite
        self._accumulator.not_finite = 0
        if not counts[0]:
            return
        self._windows.add(counts, values, features, self._gathered_at)
        mean, pooled, _ = layer_statistics(self.detector, Window(counts, values, None))
        rows = int(counts[0])
        shifted = mean - SATURATION
        squared = np.square(shifted) + pooled
        sums = Activations(rows, rows * np.maximum(shifted, 0.0), rows * np.maximum(squared, 0.0))
        with _sums_lock:
            before = self._traffic.activations
            self._traffic.activations = sums if before is None else before.plus(sums)

    def _note(self, rows: Sequence[Outlier]) -> None:
        """Remember rows that departed furthest, by when they came."""
        clock, now = self._clock(), datetime.now(UTC)
        for row in rows:
            at = now - timedelta(seconds=clock - row.at)
            self._ring.note(row.request, round(row.p_value, 6), row.at, at, row.squashed)


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
