"""Watches the activations inside one version of one model, on every batch.

Each batch's taps give every row a conformal p-value at once. Their deviations from the reference are
gathered in memory that is used again and again, summed up some hundred rows at a time, and the sums
enter the windows once a second or when they are looked at, so that no batch pays for statistics. The
verdict compares windows with the bundle's reference. It describes the traffic and never decides
whether the model may serve.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.moments import Moments
from models.reference import (
    DEGRADED_AT,
    UNHEALTHY_AT,
    WARM_UP_ROWS,
    Effects,
    Reference,
    comparable,
)
from models.selu import SATURATION
from service.parts import Part
from service.telemetry import Activations, Traffic
from service.windows import WINDOWS, History, Windows, read

Verdict = Literal["warming_up", "healthy", "degraded", "unhealthy"]
VERDICTS: tuple[Verdict, ...] = ("warming_up", "healthy", "degraded", "unhealthy")

#: Rows that are gathered before they are summed up.
_GATHER = 256
#: For how long sums are kept; they enter the windows as of the time of the first row.
_GATHER_SECONDS = 1.0

#: Statistics kept per layer: the three comparable ones, and the variance itself.
_MEAN, _LOG_VARIANCE, _SATURATED, _VARIANCE = range(4)

#: A version that is reloaded has two monitors for a moment, and their sums are one.
_sums_lock = Lock()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its grounds; ``window`` is the one that decided, None while warming up."""

    verdict: Verdict
    reason: str
    origin: Literal["input", "model"] | None
    first_departing: tuple[int, int] | None  # member and layer, both from 0
    window: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """All that the monitor knows at one moment."""

    judgement: Judgement
    windows: dict[str, Moments]
    effects: dict[str, Effects]


class Monitor:
    """Statistics of one served version. Safe to call from the loop and from the session's thread."""

    def __init__(
        self,
        reference: Reference,
        clock: Callable[[], float] = monotonic,
        traffic: Traffic | None = None,
    ) -> None:
        """``traffic`` is where the sums go that outlive a reload of this version."""
        self._reference = reference
        self._clock = clock
        self._traffic = Traffic() if traffic is None else traffic
        self._lock = Lock()
        self._shape = (len(reference.members), reference.layers, 4)
        self._windows = Windows(self._shape)
        # A row is the comparable statistics of all layers, then their variances; sums about the
        # reference's centre lose nothing to cancellation, as sums about 0 would.
        centre = reference.centre.ravel()
        compared = centre.size
        variance = [member.variance for member in reference.members]
        self._centre = np.concatenate([centre, np.ravel(variance)])
        self._gathered = np.empty((_GATHER, self._centre.size))
        self._compared = self._gathered[:, :compared].reshape(_GATHER, *self._shape[:2], 3)
        self._variance = self._gathered[:, compared:].reshape(_GATHER, *self._shape[:2])
        self._by_member = self._gathered[:, :compared].reshape(_GATHER, len(variance), -1)
        self._filled = 0
        self._rows = 0  # that are in the sums
        self._sums = np.zeros(self._centre.size)
        self._squares = np.zeros(self._centre.size)
        self._gathered_at = clock()

    @property
    def reference(self) -> Reference:
        """What is healthy for this version."""
        return self._reference

    def observe(
        self, outputs: Mapping[str, NDArray[np.floating]], parts: Sequence[Part] = ()
    ) -> NDArray[np.float64]:
        """Take in a batch's outputs; return one p-value per row.

        Of the outputs, ``taps`` has shape (rows, members, layers, 3); ``parts`` says whose the rows
        are, in their order.
        """
        taps = outputs["taps"]
        now = self._clock()
        with self._lock:
            if now - self._gathered_at > _GATHER_SECONDS:
                self._fold()
            if not (self._filled or self._rows):
                self._gathered_at = now
            if len(taps) <= _GATHER:
                p_values = self._gather(taps)
            else:
                starts = range(0, len(taps), _GATHER)
                p_values = np.concatenate([self._gather(taps[at : at + _GATHER]) for at in starts])
        return p_values.round(6)

    def _gather(self, taps: NDArray[np.float32]) -> NDArray[np.float64]:
        """Take in at most ``_GATHER`` rows; return their p-values."""
        if self._filled + len(taps) > _GATHER:
            self._sum_up()
        rows = slice(self._filled, self._filled + len(taps))
        self._filled = rows.stop
        comparable(taps, self._compared[rows])
        self._variance[rows] = taps[..., 1]
        self._gathered[rows] -= self._centre
        p_values = self._reference.p_values_centred(self._by_member[rows])
        if self._filled == _GATHER:
            self._sum_up()  # while the processor's cache still has them
        return p_values

    def _sum_up(self) -> None:
        """Bring what was gathered into the sums."""
        rows, self._filled = self._gathered[: self._filled], 0
        # Not by a product with ones: BLAS would wake threads for one of this size.
        sums = rows.sum(axis=0)
        if not np.isfinite(sums).all():  # one such row would turn every later statistic into NaN
            finite = rows[np.isfinite(rows).all(axis=1)]
            self._traffic.not_finite += len(rows) - len(finite)
            rows, sums = finite, finite.sum(axis=0)
        self._rows += len(rows)
        self._sums += sums
        self._squares += np.einsum("rk,rk->k", rows, rows)

    def health(self, others: Sequence[History] = ()) -> Health:
        """Judge the windows as they are now, together with those of other workers."""
        windows = read([self.history(), *others], self._shape, self._clock())
        effects = {
            name: self._reference.effects(comparable_part(moments)) for name, moments in windows.items()
        }
        return Health(judge(windows, effects), windows, effects)

    def history(self) -> History:
        """Return a copy of what the windows hold, for whoever reads it together with others."""
        with self._lock:
            self._fold()
            return self._windows.history()

    def take_over(self, history: History) -> None:
        """Go on with the windows of a worker that died."""
        with self._lock:
            self._windows.take_over(history)

    def _fold(self) -> None:
        """Bring what was gathered into the windows and the traffic's sums."""
        if self._filled:
            self._sum_up()
        rows = self._rows
        if not rows:
            return
        mean = self._centre + self._sums / rows
        m2 = np.maximum(self._squares - np.square(self._sums) / rows, 0.0)
        self._rows = 0
        self._sums[:] = self._squares[:] = 0.0
        moments = Moments(rows, self._by_layer(mean), self._by_layer(m2))
        self._windows.add(moments, self._gathered_at)
        shifted = moments.mean[..., _MEAN] - SATURATION
        squared = np.square(shifted) + moments.mean[..., _VARIANCE] + moments.variance[..., _MEAN]
        sums = Activations(rows, rows * np.maximum(shifted, 0.0), rows * np.maximum(squared, 0.0))
        with _sums_lock:
            before = self._traffic.activations
            self._traffic.activations = sums if before is None else before.plus(sums)

    def _by_layer(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Statistics in the order of a gathered row as (members, layers, 4)."""
        members, layers, _ = self._shape
        compared, variance = np.split(row, [self._reference.centre.size])
        parts = compared.reshape(members, layers, 3), variance.reshape(members, layers, 1)
        return np.concatenate(parts, axis=-1)


def judge(windows: dict[str, Moments], effects: dict[str, Effects]) -> Judgement:
    """Turn windows and their effects into a verdict.

    The last minute and the last ten are looked at, whichever has moved further: a minute sees a
    fault soon, ten see a small one. Where traffic is too thin for both, a longer window decides.
    """
    recent = [name for name in ("1m", "10m") if windows[name].count >= WARM_UP_ROWS]
    longer = [name for name in ("1h", "start") if windows[name].count >= WARM_UP_ROWS]
    eligible = recent or longer[:1]
    if not eligible:
        rows = windows["start"].count
        text = f"{rows} rows so far; a verdict needs {WARM_UP_ROWS}"
        return Judgement("warming_up", text, None, None, None)
    name = max(eligible, key=lambda window: effects[window].largest)
    effect = effects[name]
    size = effect.largest
    if size < DEGRADED_AT:
        text = f"no layer has moved by more than {size:.2f} standard deviations ({_within(name)})"
        return Judgement("healthy", text, None, None, name)
    verdict: Verdict = "unhealthy" if size >= UNHEALTHY_AT else "degraded"
    place, origin = effect.first_departing, _origin(effect)
    where = "" if place is None else f", first in member {place[0]}, layer {place[1] + 1}"
    source = "the inputs differ" if origin == "input" else "the network differs"
    text = (
        f"activations have moved by {size:.2f} standard deviations of the reference rows"
        f" ({_within(name)}){where}: {source} from what the model was trained with"
    )
    return Judgement(verdict, text, origin, place, name)


def _within(name: str) -> str:
    return "since the start" if WINDOWS[name] is None else f"last {name}"


def _origin(effect: Effects) -> Literal["input", "model"]:
    """A data fault reaches the first layer of most members; one deeper, or in one, is the model's."""
    moved = effect.by_layer[:, 0] - effect.margin >= DEGRADED_AT
    return "input" if moved.mean() > 0.5 else "model"


def comparable_part(moments: Moments) -> Moments:
    """The part of a window's moments that the reference compares."""
    return Moments(moments.count, moments.mean[..., :_VARIANCE], moments.m2[..., :_VARIANCE])


def layer_statistics(moments: Moments) -> tuple[NDArray[np.float64], ...]:
    """Return mean, variance and saturated share over all units of all rows, (members, layers) each.

    The variance is that of all of them pooled: the mean within rows plus that between rows' means.
    """
    pooled = moments.mean[..., _VARIANCE] + moments.variance[..., _MEAN]
    return moments.mean[..., _MEAN], pooled, moments.mean[..., _SATURATED]
