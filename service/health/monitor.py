"""Watches the activations and inputs of one version of one model, on every batch.

Each batch's rows get a conformal p-value at once. Their statistics are gathered, summed up some
hundred rows at a time, and enter the windows once a second or when they are looked at. The verdict
compares windows with the bundle's reference, or with a baseline that an operator took. It describes
the traffic and never decides whether the model may serve.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector, Judged
from models.health.diagnosis.inputs import KIND_ROWS, FeatureScales, recognise
from models.health.effect_size import Effects
from models.health.evidence import Sums, values_width
from models.health.reference import Reference
from models.health.windows.blocks import BlockLog, Blocks, joined
from models.health.windows.onset import Remembered, Traffic, scan
from models.health.windows.pieces import block_width, evidence_of_blocks
from models.health.windows.pure import pure_part
from models.health.windows.shifts import assess
from models.networks.selu import SATURATION
from service.health.accumulator import StatisticsAccumulator
from service.health.baselines import Baseline
from service.health.change import Found, Health
from service.health.clients.at_fault import clients_of
from service.health.layer_statistics import feature_means, layer_statistics
from service.health.outliers import OutlierLog, OutlierRow
from service.health.row_owner import RowOwner
from service.health.verdict import Alarmed, judge
from service.health.windows import Buckets, History, Sampling, Window, Windows, evidence_ring, read
from service.observability.counters import Activations
from service.observability.counters import Traffic as CountedTraffic

#: For how long sums are kept; they enter the windows as of the time of the first row.
_GATHER_SECONDS = 1.0

#: A version that is reloaded has two monitors for a moment, which add to the same sums.
_sums_lock = Lock()

Array = NDArray[np.float64]


class Monitor:
    """Statistics of one served version. Safe to call from the loop and from the session's thread."""

    def __init__(
        self,
        reference: Reference,
        clock: Callable[[], float] = monotonic,
        traffic: CountedTraffic | None = None,
        names: Sequence[str] = (),
        keep_features: bool = False,
        scales: FeatureScales | None = None,
        *,
        sampled: bool = False,
    ) -> None:
        """``clock`` is monotonic, in seconds; clients know the features by ``names``.

        ``scales`` are the features' (see ``FeatureScales``). ``traffic`` is where the sums go that
        outlive a reload of this version. ``keep_features`` allows the features of rows that departed to
        be kept and shown. With ``sampled`` windows take in some batches of dense traffic.
        """
        self.reference, self.clock, self.names = reference, clock, names
        self.detector = Detector(reference)
        self._scales = scales
        self._baseline: Baseline | None = None
        self._remembered: Remembered | None = None
        self._traffic = CountedTraffic() if traffic is None else traffic
        self._lock = Lock()
        self._outliers = OutlierLog()
        self._accumulator = StatisticsAccumulator(
            self.detector, self._outliers, keep_features=keep_features
        )
        layout = self.detector.layout
        features = 0 if reference.inputs is None else len(reference.inputs.centre)
        self._windows = Windows(values_width(layout), 2 * features)
        self._blocks = BlockLog(block_width(layout, features))
        self._evidence = evidence_ring(layout.width - layout.evidence.start)
        self._gathered_at = clock()
        self._sampling = Sampling() if sampled else None
        #: When a row was last computed wrongly, by the clock; None for never.
        self.corrupted_at: float | None = None

    @property
    def baseline(self) -> Baseline | None:
        """What an operator has declared to be healthy, in the reference's place."""
        return self._baseline

    @baseline.setter
    def baseline(self, baseline: Baseline | None) -> None:
        layout = self.detector.layout
        with self._lock:
            self._fold(self.clock())
            self._baseline = baseline
            self._accumulator.cap_about(None if baseline is None else baseline.centre)
            # What was capped about another centre is no evidence any more.
            self._evidence = evidence_ring(layout.width - layout.evidence.start)

    def observe(
        self, outputs: Mapping[str, NDArray[np.floating]], parts: Sequence[RowOwner] = ()
    ) -> Array:
        """Take in a batch's outputs; return one p-value per row (n,).

        Of the outputs, ``taps`` has shape (n, members, layers, 3) and ``squashed``, where the graph
        gives it, (n, F); ``parts`` says whose the rows are, in their order.
        """
        p_values, judged = self.judge(outputs)
        if self.wants(len(p_values)):
            self.take(judged, p_values, parts)
        return p_values.round(6)

    def judge(self, outputs: Mapping[str, NDArray[np.floating]]) -> tuple[Array, Judged]:
        """Return the p-values (n,) of a batch's rows, and what else is kept of them."""
        return self.detector.judge_outputs(outputs)

    def wants(self, rows: int) -> bool:
        """Whether a batch of so many rows, which came now, should count."""
        return self._sampling is None or self._sampling.takes(rows, self.clock())

    def take(self, judged: Judged, p_values: Array, parts: Sequence[RowOwner]) -> None:
        """Let a batch that was judged count; ``parts`` as in ``observe``."""
        now = self.clock()
        with self._lock:
            if now - self._gathered_at > _GATHER_SECONDS:
                self._fold(now)
            if self._accumulator.empty:
                self._gathered_at = now
            self._accumulator.add(judged, p_values, parts, now)

    def health(self, others: Sequence[History] = (), alarm: Alarmed | None = None) -> Health:
        """Judge the traffic as it is now; the windows are together with those of other workers."""
        now = self.clock()
        windows = read([self.history(), *others], now)
        found = self.scan([self.blocks()], now, self._remembered)
        self._remembered = None if found is None else found.scan.remembered
        return self.judged(windows, found, alarm, [self.client_blocks()])

    def judged(
        self,
        windows: dict[str, Window],
        found: Found | None,
        alarm: Alarmed | None = None,
        by_key: Sequence[dict[str, Blocks]] = (),
    ) -> Health:
        """Judge traffic by all workers' windows, their latest traffic, and its blocks ``by_key``."""
        effects = {name: self.effects(window) for name, window in windows.items()}
        if found is None:
            return Health(judge(effects, None, self.names), windows, effects)
        layout = self.detector.layout
        clients = clients_of(by_key, found.stretch, self.reference, layout, self.baseline)
        client = next((client for client in clients if client.at_fault), None)
        # What one client sends is recognised by its rows, and not by all that came between them.
        means, rows = found.pure.means, found.pure.rows
        if client is not None:
            means, rows = client.effects.feature_means, client.rows
        happened, inputs = None, self.reference.inputs
        enough = found.scan.has_moved and rows >= KIND_ROWS
        if enough and means is not None and inputs is not None:
            usual = None if self.baseline is None else self.baseline.features
            happened = recognise(inputs, means, self._scales, usual)
        judgement = judge(
            effects, found.scan, self.names, alarm,
            seconds=found.seconds, happened=happened, client=None if client is None else client.key,
        )  # fmt: skip
        return Health(judgement, windows, effects, found.change, found.scan.now.effects, clients)

    def scan(
        self, parts: Sequence[Blocks], now: float, remembered: Remembered | None = None
    ) -> Found | None:
        """Return what the suffixes of all workers' traffic show; None with too few rows.

        ``now`` is a time of the clock; ``remembered`` is what the last look found.
        """
        blocks, baseline, layout = joined(parts), self.baseline, self.detector.layout
        evidence, features = evidence_of_blocks(blocks.counts, blocks.values, layout)
        offset = None if baseline is None else baseline.offset[layout.evidence]
        by_feature = None if baseline is None else baseline.features
        traffic = Traffic(self.reference, layout, blocks.times, evidence, features, offset, by_feature)
        shown = scan(traffic, remembered)
        return None if shown is None else Found.of(shown, pure_part(traffic, shown.now), blocks, now)

    def effects(self, window: Window) -> Effects:
        """Return how far a window has moved from the baseline, or else the reference."""
        baseline = self.baseline
        return assess(
            self.reference,
            self.detector.layout,
            Sums.of(window.counts, window.values, self.detector.layout),
            feature_means(window),
            None if baseline is None else baseline.offset,
            None if baseline is None else baseline.features,
        )

    def baseline_of(self, window: Window, taken_at: datetime) -> Baseline:
        """Return a baseline of a window that has rows."""
        layout = self.detector.layout
        sums = Sums.of(window.counts, window.values, layout)
        requests = max(window.requests, 1)
        centre, square = sums.by_request / requests
        variance = np.maximum(square - np.square(centre), 0.0)
        offset = sums.total / window.count
        return Baseline(taken_at, offset, feature_means(window), centre, variance, requests)

    def history(self) -> History:
        """Return a copy of what the windows hold, to be read together with other workers'."""
        with self._lock:
            self._fold(self.clock())
            return self._windows.history()

    def blocks(self) -> Blocks:
        """Return a copy of the latest traffic's blocks."""
        with self._lock:
            self._fold(self.clock())
            return self._blocks.blocks()

    def client_blocks(self) -> dict[str, Blocks]:
        """Return a copy of the blocks of the latest traffic by API key."""
        with self._lock:
            self._fold(self.clock())
            return self._accumulator.clients.blocks()

    def evidence(self) -> Buckets:
        """Return requests' capped evidence (E,) of the last two minutes, in the finest buckets."""
        with self._lock:
            self._fold(self.clock())
            return self._evidence.buckets()

    def departing(self) -> list[OutlierRow]:
        """Return the rows that departed furthest in the last hour."""
        with self._lock:
            now = self.clock()
            self._fold(now)
            return self._outliers.read(now)

    def _fold(self, now: float) -> None:
        """Bring what was gathered into the windows and the traffic's sums."""
        if self._accumulator.empty:
            return
        taken = self._accumulator.take(now)
        counts, sums = taken.counts, None
        if counts[0]:
            self._windows.add(counts, taken.values, taken.features, self._gathered_at)
            self._evidence.add(counts, taken.capped, self._gathered_at)
            for pieces in taken.pieces:
                self._blocks.add(pieces)
            mean, pooled, _ = layer_statistics(self.detector, Window(counts, taken.values, None))
            shifted = np.maximum(mean - SATURATION, 0.0)
            squared = np.maximum(np.square(mean - SATURATION) + pooled, 0.0)
            sums = Activations(int(counts[0]), counts[0] * shifted, counts[0] * squared)
        with _sums_lock:
            self._traffic.not_finite += taken.not_finite
            before = self._traffic.activations
            if sums is not None:
                self._traffic.activations = sums if before is None else before.plus(sums)
