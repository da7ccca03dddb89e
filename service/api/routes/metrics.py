"""``GET /metrics``: everything that is counted, in Prometheus' text format."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import numpy as np
from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.coordination.aggregate import ClusterStatus
from service.coordination.coordinator import WorkerCoordinator
from service.health.monitor import Health
from service.health.verdict import MODEL_VERDICTS, TRAFFIC_VERDICTS, VERDICTS
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import ALARMS, Telemetry

#: As ``WorkerCoordinator.health`` returns it.
Judged = tuple[ServedModel, Health, datetime]

_VERSION = ["model", "version"]
_LAYER = [*_VERSION, "member", "layer"]


def routes(served_models: ServedModels, coordinator: WorkerCoordinator) -> APIRouter:
    """Return the metrics route over what all workers have counted."""
    platform = PlatformCollector(registry=None)
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        encoder, content_type = choose_encoder(", ".join(request.headers.getlist("accept")))
        # Judged first, since a new verdict is counted.
        judged = {
            name: coordinator.health(name)
            for name, state in served_models.states().items()
            if state.served is not None
        }
        whole, registry = coordinator.whole(), CollectorRegistry()
        registry.register(_Counted(whole.counted))
        registry.register(_Served(judged, whole))
        registry.register(_Process(whole))
        registry.register(platform)
        return Response(encoder(registry), media_type=None, headers={"content-type": content_type})

    return router


class _Process(Collector):
    """Resources that all workers use, and the number of workers."""

    def __init__(self, whole: ClusterStatus) -> None:
        self._whole = whole

    def collect(self) -> Iterable[Metric]:
        roster = self._whole.roster
        workers = GaugeMetricFamily("snn_workers", "Workers that run")
        workers.add_metric([], len(roster.slots))
        yield workers
        restarts = CounterMetricFamily("snn_worker_restarts", "Workers that died and were replaced")
        restarts.add_metric([], roster.restarts)
        yield restarts
        collections: dict[str, CounterMetricFamily] = {}
        for key, value in self._whole.process.items():
            name, _, generation = key.partition("/")
            if generation:
                family = collections.setdefault(
                    name, CounterMetricFamily(name, f"{_sentence(name)}", labels=["generation"])
                )
                family.add_metric([generation], value)
                continue
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            single = kind(name, f"{_sentence(name)}, of all workers")
            single.add_metric([], value)
            yield single
        yield from collections.values()


def _sentence(name: str) -> str:
    return name.removesuffix("_total").replace("_", " ").capitalize()


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
            latency.add_metric([route], *histogram.cumulative())
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
        alarms = CounterMetricFamily(
            "snn_alarms",
            "How often a verdict or a failure of golden rows began",
            labels=[*_VERSION, "kind"],
        )
        not_finite = CounterMetricFamily(
            "snn_activation_rows_not_finite", "Rows whose activations were no numbers", labels=_VERSION
        )
        for model, version, traffic in self._telemetry.all_traffic():
            labels = [model, str(version)]
            rows.add_metric(labels, traffic.rows)
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


class _Served(Collector):
    """The present state of the models, and their activations."""

    def __init__(self, judged: dict[str, Judged], whole: ClusterStatus) -> None:
        self._judged = judged
        self._whole = whole

    def collect(self) -> Iterable[Metric]:
        ready = GaugeMetricFamily("snn_model_ready", "Whether the model can answer", labels=["model"])
        refused = GaugeMetricFamily(
            "snn_model_refused", "Whether what is promoted could not be loaded", labels=["model"]
        )
        unloaded = GaugeMetricFamily(
            "snn_model_unloaded", "Whether an operator unloaded the model", labels=["model"]
        )
        vanished = GaugeMetricFamily(
            "snn_model_vanished", "Whether nothing is promoted of what serves", labels=["model"]
        )
        intact = GaugeMetricFamily(
            "snn_model_intact", "Whether the last golden run reproduced", labels=["model"]
        )
        checked = GaugeMetricFamily(
            "snn_model_checked_timestamp_seconds",
            "When golden rows were last run, seconds since 1970",
            labels=["model"],
        )
        files = GaugeMetricFamily(
            "snn_model_files_intact", "Whether the bundle's files are as published", labels=["model"]
        )
        provider = GaugeMetricFamily(
            "snn_model_info", "What serves, and on what", labels=[*_VERSION, "provider"]
        )
        waiting = GaugeMetricFamily("snn_queue_rows", "Rows that wait for a run", labels=_VERSION)
        verdict = GaugeMetricFamily(
            "snn_activation_verdict", "1 for the verdict that holds", labels=[*_VERSION, "verdict"]
        )
        of_model = GaugeMetricFamily(
            "snn_model_verdict", "1 for the verdict on the model", labels=[*_VERSION, "verdict"]
        )
        of_traffic = GaugeMetricFamily(
            "snn_traffic_verdict", "1 for the verdict on the traffic", labels=[*_VERSION, "verdict"]
        )
        name = "snn_activation_verdict_timestamp_seconds"
        text = "When the verdict that holds began, seconds since 1970"
        since = GaugeMetricFamily(name, text, labels=_VERSION)
        layers = GaugeMetricFamily(
            "snn_activation_layer_effect",
            "The same of one layer, in the window that decides the verdict",
            labels=_LAYER,
        )
        text = "How far activations have moved, in standard deviations of the reference rows"
        effect = GaugeMetricFamily("snn_activation_effect", text, labels=[*_VERSION, "window"])
        for name, model in self._whole.models.items():
            ready.add_metric([name], model.ready)
            told = model.unloaded or model.vanished
            refused.add_metric([name], model.error is not None and not told)
            vanished.add_metric([name], model.vanished)
            unloaded.add_metric([name], model.unloaded)
            if model.intact is not None:
                intact.add_metric([name], model.intact)
            if model.checked_at is not None:
                checked.add_metric([name], model.checked_at.timestamp())
                files.add_metric([name], model.files_error is None)
            if model.version is None:
                continue
            labels = [name, str(model.version)]
            provider.add_metric([*labels, model.provider or ""], 1)
            waiting.add_metric(labels, model.waiting)
            if name not in self._judged:
                continue
            served, health, began = self._judged[name]
            labels = [name, str(served.manifest.version)]
            since.add_metric(labels, began.timestamp())
            for each in VERDICTS:
                verdict.add_metric([*labels, each], each == health.judgement.verdict)
            for name_of in MODEL_VERDICTS:
                of_model.add_metric([*labels, name_of], name_of == health.judgement.model)
            for called in TRAFFIC_VERDICTS:
                of_traffic.add_metric([*labels, called], called == health.judgement.traffic)
            for window, effects in health.effects.items():
                if health.windows[window].count:
                    effect.add_metric([*labels, window], effects.largest)
            deciding = health.judgement.window
            if deciding is not None:
                for (member, layer), size in np.ndenumerate(health.effects[deciding].by_layer):
                    layers.add_metric([*labels, str(member), str(layer + 1)], float(size))
        yield from (ready, refused, unloaded, vanished, intact, checked, files, provider, waiting)
        yield from (verdict, of_model, of_traffic, since, effect, layers)
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
        for name, version, traffic in self._whole.counted.all_traffic():
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
