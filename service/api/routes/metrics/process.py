"""Metrics of the workers and their processes."""

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.coordination.aggregate import ClusterStatus


class ProcessCollector(Collector):
    """Resources that all workers use, and the number of workers."""

    def __init__(self, whole: ClusterStatus) -> None:
        self._whole = whole

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics, one family at a time."""
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
