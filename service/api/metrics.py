"""``GET /metrics``: everything that is counted, in Prometheus' text format."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.catalog import Catalog
from service.monitor import VERDICTS
from service.telemetry import Histogram, Telemetry

_VERSION = ["model", "version"]
_LAYER = [*_VERSION, "member", "layer"]


def routes(catalog: Catalog, telemetry: Telemetry) -> APIRouter:
    """The metrics route over what is counted."""
    registry = CollectorRegistry()
    registry.register(_Counted(telemetry))
    registry.register(_Served(catalog))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(registry), media_type=None, headers={"content-type": content_type})

    return router


class _Counted(Collector):
    """Requests and stages."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterable[Metric]:
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
            latency.add_metric([route], *_buckets(histogram))
        yield latency
        yield from self._by_version()

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
        for model, version, traffic in self._telemetry.all_traffic():
            labels = [model, str(version)]
            rows.add_metric(labels, traffic.rows)
            for reason, number in traffic.rejected.items():
                rejected.add_metric([*labels, reason], number)
            featurize.add_metric(labels, *_buckets(traffic.featurize))
            queue.add_metric(labels, *_buckets(traffic.queue))
            compute.add_metric(labels, *_buckets(traffic.compute))
            batch.add_metric(labels, *_buckets(traffic.batch_rows))
        yield from (rows, rejected, featurize, queue, compute, batch)


class _Served(Collector):
    """The models as they are now, and their activations."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def collect(self) -> Iterable[Metric]:
        ready = GaugeMetricFamily("snn_model_ready", "Whether the model can answer", labels=["model"])
        refused = GaugeMetricFamily(
            "snn_model_refused", "Whether what is promoted could not be loaded", labels=["model"]
        )
        intact = GaugeMetricFamily(
            "snn_model_intact", "Whether the last golden run reproduced", labels=["model"]
        )
        provider = GaugeMetricFamily(
            "snn_model_info", "What serves, and on what", labels=[*_VERSION, "provider"]
        )
        waiting = GaugeMetricFamily("snn_queue_rows", "Rows that wait for a run", labels=_VERSION)
        verdict = GaugeMetricFamily(
            "snn_activation_verdict", "1 for the verdict that holds", labels=[*_VERSION, "verdict"]
        )
        effect = GaugeMetricFamily(
            "snn_activation_effect",
            "How far activations have moved, in standard deviations of the reference rows",
            labels=[*_VERSION, "window"],
        )
        for name, state in self._catalog.states().items():
            ready.add_metric([name], state.ready)
            refused.add_metric([name], state.error is not None)
            if state.intact is not None:
                intact.add_metric([name], state.intact)
            if state.served is None:
                continue
            labels = [name, str(state.served.manifest.version)]
            provider.add_metric([*labels, state.served.session.provider], 1)
            waiting.add_metric(labels, state.served.batcher.waiting)
            health = state.served.monitor.health()
            for each in VERDICTS:
                verdict.add_metric([*labels, each], each == health.judgement.verdict)
            for window, effects in health.effects.items():
                if health.windows[window].count:
                    effect.add_metric([*labels, window], effects.largest)
        yield from (ready, refused, intact, provider, waiting, verdict, effect)
        yield from self._activations()

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
        for name, state in self._catalog.states().items():
            if state.served is None:
                continue
            labels = [name, str(state.served.manifest.version)]
            sums = state.served.monitor.sums()
            rows.add_metric(labels, sums.rows)
            members, layers = sums.shifted.shape
            for member in range(members):
                for layer in range(layers):
                    place = [*labels, str(member), str(layer + 1)]
                    shifted.add_metric(place, sums.shifted[member, layer])
                    squared.add_metric(place, sums.squared[member, layer])
        yield from (rows, shifted, squared)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """A histogram as prometheus-client takes it: cumulative counts by upper bound, and the sum."""
    total, buckets = 0, []
    for bound, number in zip([*histogram.bounds, float("inf")], histogram.counts, strict=True):
        total += number
        buckets.append((f"{bound:g}" if bound != float("inf") else "+Inf", float(total)))
    return buckets, histogram.total
