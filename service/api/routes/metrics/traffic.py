"""Metrics of what was asked: requests, rows, stages, and the sums of activations."""

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.observability.counters import ALARMS, Telemetry

_VERSION = ["model", "version"]
_LAYER = [*_VERSION, "member", "layer"]


class TrafficCollector(Collector):
    """Requests and stages."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics, one family at a time."""
        requests = CounterMetricFamily(
            "snn_requests", "Requests by route and status", labels=["route", "status"]
        )
        for (route, status), number in self._telemetry.requests.items():
            requests.add_metric([route, str(status)], number)
        yield requests
        latency = HistogramMetricFamily(
            "snn_request_seconds", "From a request's head to the end of its answer", labels=["route"]
        )
        for route, histogram in self._telemetry.latency.items():
            latency.add_metric([route], *histogram.cumulative())
        yield latency
        yield from self._by_version()
        yield from self._activations()

    def _by_version(self) -> Iterator[Metric]:
        rows = CounterMetricFamily("snn_rows", "Rows computed", labels=_VERSION)
        rejected = CounterMetricFamily(
            "snn_rejected_rows", "Records that got an error, by reason", labels=[*_VERSION, "reason"]
        )
        featurize = HistogramMetricFamily(
            "snn_featurize_seconds", "Featurizing one request, waiting included", labels=_VERSION
        )
        queue = HistogramMetricFamily(
            "snn_queue_seconds", "From a row's arrival at the batcher to its run", labels=_VERSION
        )
        compute = HistogramMetricFamily(
            "snn_compute_seconds", "One batch in the network and its monitor", labels=_VERSION
        )
        batch = HistogramMetricFamily("snn_batch_rows", "Rows in one batch", labels=_VERSION)
        alarms = CounterMetricFamily(
            "snn_alarms",
            "How often a verdict or a failure of golden rows began",
            labels=[*_VERSION, "kind"],
        )
        not_finite = CounterMetricFamily(
            "snn_activation_rows_not_finite", "Rows whose activations were no numbers", labels=_VERSION
        )
        suspect = CounterMetricFamily(
            "snn_suspect_rows",
            "Rows beyond their bounds that were answered so",
            labels=_VERSION,
        )
        recomputed = CounterMetricFamily(
            "snn_recomputed_rows", "Rows computed again for being beyond their bounds", labels=_VERSION
        )
        corrupted = CounterMetricFamily(
            "snn_corrupted_rows", "Recomputed rows that were other the second time", labels=_VERSION
        )
        for model, version, traffic in self._telemetry.all_traffic():
            labels = [model, str(version)]
            rows.add_metric(labels, traffic.rows)
            suspect.add_metric(labels, traffic.suspect)
            recomputed.add_metric(labels, traffic.recomputed)
            corrupted.add_metric(labels, traffic.corrupted)
            for reason, number in traffic.rejected.items():
                rejected.add_metric([*labels, reason], number)
            featurize.add_metric(labels, *traffic.featurize.cumulative())
            queue.add_metric(labels, *traffic.queue.cumulative())
            compute.add_metric(labels, *traffic.compute.cumulative())
            batch.add_metric(labels, *traffic.batch_rows.cumulative())
            for kind in ALARMS:  # also 0, since Prometheus sees no increase from nothing
                alarms.add_metric([*labels, kind], traffic.alarms.get(kind, 0))
            not_finite.add_metric(labels, traffic.not_finite)
        yield from (rows, rejected, featurize, queue, compute, batch, alarms, not_finite)
        yield from (suspect, recomputed, corrupted)

    def _activations(self) -> Iterator[Metric]:
        rows = CounterMetricFamily(
            "snn_activation_rows", "Rows in the sums of activations", labels=_VERSION
        )
        shifted = CounterMetricFamily(
            "snn_activation_shifted",
            "Sum over rows of the layer's mean of a + lambda * alpha, which is never negative",
            labels=_LAYER,
        )
        squared = CounterMetricFamily(
            "snn_activation_shifted_squared",
            "Sum over rows of the layer's mean of (a + lambda * alpha) squared",
            labels=_LAYER,
        )
        for name, version, traffic in self._telemetry.all_traffic():
            sums = traffic.activations
            if sums is None:
                continue
            labels = [name, str(version)]
            rows.add_metric(labels, sums.rows)
            members, layers = sums.shifted.shape
            for member in range(members):
                for layer in range(layers):
                    place = [*labels, str(member), str(layer + 1)]
                    shifted.add_metric(place, sums.shifted[member, layer])
                    squared.add_metric(place, sums.squared[member, layer])
        yield from (rows, shifted, squared)
