"""One worker's share in a model's sliding windows, small enough to be written four times a second.

A worker keeps its buckets to itself, 5 MiB for a network of 200 layers, and posts what they sum to:
each window as of now, the blocks of the latest traffic, and the sequential evidence of the last minute.
Sums add up over workers. Those of a worker that has died go on sliding: its rows count as spread evenly
between two windows' ends.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

import msgspec
import numpy as np

from models.health.windows.blocks import Blocks, joined
from service.health.clients.client_logs import joined_by_key
from service.health.monitor import Monitor
from service.health.windows import WINDOWS, Buckets, Window, read

#: How many of the latest buckets' evidence is posted: a minute, of which a reader may miss most.
_EVIDENCE_BUCKETS = 12

#: Times are rounded down to this, so that a worker without traffic posts no more often.
_STEP_SECONDS = 5.0
#: Sums that are older come from a worker that hangs or has died.
_FRESH_SECONDS = 10.0


class WindowSums(msgspec.Struct, frozen=True):
    """Sums of each window as of ``at``, in seconds of the monotonic clock.

    ``evidence`` holds, by bucket of the finest windows, the requests' capped evidence (E,), about the
    baseline that was taken at ``centre``, or about the reference's centre. ``blocks`` are those of the
    latest traffic, and ``clients`` those of each API key's.
    """

    at: float
    windows: dict[str, Window]
    evidence: Buckets
    blocks: Blocks
    centre: datetime | None = None
    clients: dict[str, Blocks] = {}

    @classmethod
    def of(cls, monitor: Monitor, now: float, past: Self | None = None) -> Self:
        """Sum up what a monitor's windows hold now, and add what its predecessor ``past`` left.

        ``now`` is the time of the monotonic clock in seconds.
        """
        windows = read([monitor.history()], now)
        evidence, blocks = [monitor.evidence()], [monitor.blocks()]
        clients = [monitor.client_blocks()]
        centre = None if monitor.baseline is None else monitor.baseline.taken_at
        if past is not None:
            windows = add_windows([windows, past.windows_at(now)])
            blocks.append(past.blocks)
            clients.append(past.clients)
            if past.centre == centre:
                evidence.append(past.evidence)
        at = now // _STEP_SECONDS * _STEP_SECONDS
        windows = {name: _compact(window, name) for name, window in windows.items()}
        return cls(at, windows, _latest(evidence), joined(blocks), centre, joined_by_key(clients))

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


def _compact(window: Window, name: str) -> Window:
    """In single precision, as buckets are; the values since the start stay as they are."""
    features = None if window.features is None else window.features.astype(np.float32)
    values = window.values if WINDOWS[name] is None else window.values.astype(np.float32)
    return Window(window.counts, values, features)


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
