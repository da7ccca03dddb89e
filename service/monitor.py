"""Watches the activations inside one version of one model, on every batch.

Each batch's taps give every row a conformal p-value at once, and are kept until some hundred rows
are together before they enter the windows, so that a single row does not pay for statistics. The
verdict compares windows with the bundle's reference. It describes the traffic and never decides
whether the model may serve.
"""

from collections.abc import Callable, Sequence
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
from service.telemetry import Activations, Traffic
from service.windows import WINDOWS, History, Windows, read

Verdict = Literal["warming_up", "healthy", "degraded", "unhealthy"]
VERDICTS: tuple[Verdict, ...] = ("warming_up", "healthy", "degraded", "unhealthy")

#: Rows that are gathered before they enter the windows.
_GATHER = 256
#: And for how long; they enter the windows as of the time of the first.
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
        self._gathered: list[tuple[NDArray[np.float64], NDArray[np.float32]]] = []
        self._gathered_rows = 0
        self._gathered_at = clock()

    @property
    def reference(self) -> Reference:
        """What is healthy for this version."""
        return self._reference

    def observe(self, taps: NDArray[np.float32]) -> NDArray[np.float64]:
        """Take in a batch's taps, shape (rows, members, layers, 3); return one p-value per row."""
        now = self._clock()
        statistics = comparable(taps)
        with self._lock:
            if self._gathered_rows >= _GATHER or now - self._gathered_at > _GATHER_SECONDS:
                self._fold()
            if not self._gathered:
                self._gathered_at = now
            self._gathered.append((statistics, taps))
            self._gathered_rows += len(taps)
        return np.round(self._reference.p_values_of(statistics), 6)

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
        """Bring what was gathered into the windows and the sums."""
        if not self._gathered:
            return
        compared, taps = zip(*self._gathered, strict=True)
        variance = np.concatenate([part[..., 1:2] for part in taps])
        statistics = np.concatenate([np.concatenate(compared), variance], axis=-1)
        self._gathered.clear()
        self._gathered_rows = 0
        if not np.isfinite(statistics).all():  # one such row would turn every later statistic into NaN
            finite = np.isfinite(statistics).all(axis=(1, 2, 3))
            self._traffic.not_finite += int(len(finite) - finite.sum())
            statistics = statistics[finite]
            if not len(statistics):
                return
        self._windows.add(Moments.of(statistics), self._gathered_at)
        shifted = statistics[..., _MEAN] - SATURATION
        squared = np.square(shifted) + statistics[..., _VARIANCE]
        sums = Activations(len(statistics), np.maximum(shifted, 0.0).sum(axis=0), squared.sum(axis=0))
        with _sums_lock:
            before = self._traffic.activations
            self._traffic.activations = sums if before is None else before.plus(sums)


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
