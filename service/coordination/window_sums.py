"""One worker's share in a model's sliding windows, small enough to be written four times a second.

A worker keeps its buckets to itself, 3 MiB for a network of 200 layers, and posts what they sum to:
each window as of now, and the sequential evidence of the last minute. Sums add up over workers. Those
of a worker that has died go on sliding: its rows count as spread evenly between two windows' ends.
"""

from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np

from service.health.monitor import Monitor
from service.health.windows import COUNTS, WINDOWS, Buckets, History, Window, read

#: How many of the latest buckets' evidence is posted: a minute, of which a reader may miss most.
_EVIDENCE_BUCKETS = 12

#: Times are rounded down to this, so that a worker without traffic posts no more often.
_STEP_SECONDS = 5.0
#: Sums that are older come from a worker that hangs or has died.
_FRESH_SECONDS = 10.0


class WindowSums(msgspec.Struct, frozen=True):
    """Sums of each window as of ``at``, in seconds of the monotonic clock.

    ``evidence`` holds, by bucket of the finest windows, the requests' capped evidence (E,) alone, the
    last E of a bucket's values.
    """

    at: float
    windows: dict[str, Window]
    evidence: Buckets

    @classmethod
    def of(cls, monitor: Monitor, now: float, past: Self | None = None) -> Self:
        """Sum up what a monitor's windows hold now, and add what its predecessor ``past`` left.

        ``now`` is the time of the monotonic clock in seconds.
        """
        history = monitor.history()
        columns = monitor.detector.layout.evidence
        evidence = history.fine.values[:, columns.start - columns.stop :]
        buckets = [Buckets(history.fine.ticks, history.fine.counts, evidence)]
        windows = read([history], now)
        if past is not None:
            windows = add_windows([windows, past.windows_at(now)])
            buckets.append(past.evidence)
        return cls(now // _STEP_SECONDS * _STEP_SECONDS, windows, _latest(buckets))

    def fits(self, other: Self) -> bool:
        """Return whether both can be added up: their shapes are the same."""
        return self._widths == other._widths

    @property
    def _widths(self) -> tuple[int, int]:
        start = self.windows["start"]
        return len(start.values), 0 if start.features is None else len(start.features)

    def windows_at(self, now: float) -> dict[str, Window]:
        """Return the windows as they are at ``now``, estimated where the sums are not fresh."""
        age = now - self.at
        if age <= _FRESH_SECONDS:
            return self.windows
        return {
            name: self.windows[name] if seconds is None else self._last(max(seconds - age, 0.0))
            for name, seconds in WINDOWS.items()
        }

    def evidence_history(self) -> History:
        """Return a history that holds the evidence in its finest buckets, and no other."""
        width, features = self._widths
        values = np.zeros((len(self.evidence.ticks), width), np.float32)
        values[:, width - self.evidence.values.shape[1] :] = self.evidence.values
        fine = Buckets(self.evidence.ticks, self.evidence.counts, values)
        others = [_empty(size) for size in (width, width, features, features)]
        return History(fine, *others)

    def _last(self, seconds: float) -> Window:
        """Interpolate the sums over the last ``seconds`` before ``at``."""
        shorter, shorter_seconds = _times(self.windows["start"], 0.0), 0.0
        for name, longer_seconds in WINDOWS.items():
            longer = self.windows[name]
            if longer_seconds is None or seconds <= longer_seconds:
                break
            shorter, shorter_seconds = longer, longer_seconds
        assert longer_seconds is not None  # ``seconds`` is never more than the longest window
        share = (seconds - shorter_seconds) / (longer_seconds - shorter_seconds)
        return _plus(_times(shorter, 1.0 - share), _times(longer, share))


def add_windows(parts: Iterable[dict[str, Window]]) -> dict[str, Window]:
    """Add up the windows of several workers, of which there must be one; all have the same shapes."""
    first, *others = parts
    total = dict(first)
    for part in others:
        total = {name: _plus(window, part[name]) for name, window in total.items()}
    return total


def _plus(first: Window, second: Window) -> Window:
    features = None
    if first.features is not None and second.features is not None:
        features = first.features + second.features
    return Window(first.counts + second.counts, first.values + second.values, features)


def _times(window: Window, factor: float) -> Window:
    features = None if window.features is None else window.features * factor
    return Window(window.counts * factor, window.values * factor, features)


def _latest(parts: list[Buckets]) -> Buckets:
    """Return the latest buckets of all parts; two of one tick stand beside each other."""
    ticks = np.concatenate([part.ticks for part in parts])
    order = np.argsort(ticks, kind="stable")[-_EVIDENCE_BUCKETS:]
    return Buckets(
        ticks[order],
        np.concatenate([part.counts for part in parts])[order],
        np.concatenate([part.values for part in parts])[order],
    )


def _empty(width: int) -> Buckets:
    return Buckets(np.zeros(0, np.int64), np.zeros((0, COUNTS)), np.zeros((0, width), np.float32))
