"""Metrics of the present state of the models: whether they serve, are intact, and what was judged."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.coordination.aggregate import ClusterStatus
from service.health.change import Health
from service.health.verdict import MODEL_VERDICTS, TRAFFIC_VERDICTS, VERDICTS
from service.inference.served_models import ServedModel

#: As ``WorkerCoordinator.health`` returns it.
Judged = tuple[ServedModel, Health, datetime]

_VERSION = ["model", "version"]


class ModelsCollector(Collector):
    """The present state of the models."""

    def __init__(self, judged: dict[str, Judged], whole: ClusterStatus) -> None:
        self._judged = judged
        self._whole = whole

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics, one family at a time."""
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
            labels=[*_VERSION, "member", "layer"],
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
