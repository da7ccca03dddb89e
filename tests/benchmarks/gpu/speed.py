"""Latency of a run, and rows per second, by batch: each precision, CUDA graphs, and one core."""

import numpy as np

from tests.benchmarks.gpu.place import FP16, FP32, MODELS, TF32, Place, on_core, one_core, p99, rows_like
from tests.benchmarks.report import Cell, Table


def run(place: Place) -> list[Table]:
    """Time whole runs: copies to the device and back are in them."""
    rows: list[list[Cell]] = []
    notes = [
        "One session, one thread, one run at a time, copies of all outputs included."
        f" Up to {place.runs} runs in {place.seconds} s each; fewer than a hundred have no p99."
    ]
    for model in MODELS:
        bundle = place.bundle(model)
        batches = [rows_like(bundle.golden.features, size) for size in place.sizes]
        core = on_core(bundle.model)
        with one_core():
            rows += [
                _timed(place, model, "one core", core, batch)
                for batch in batches
                if len(batch) <= place.largest_on_core
            ]
        for precision in (FP32, TF32, FP16):
            for captured in (False, True):
                label = f"{precision}, CUDA graph" if captured else precision
                place.options.say(f"gpu: {model}, {label}")
                try:
                    session = place.open(bundle.model, precision, captured=captured)
                    rows += [_timed(place, model, label, session, batch) for batch in batches]
                except Exception as error:  # noqa: BLE001 - the others are timed all the same, the table says so
                    notes.append(f"{model}, {label}: {type(error).__name__}: {error}")
    columns = ["model", "on", "rows", "runs", "p50, µs", "p99, µs", "rows/s at p50"]
    return [Table("Latency and throughput", columns, rows, notes)]


def _timed(place: Place, model: str, label: str, session: object, batch: np.ndarray) -> list[Cell]:
    took = place.took(lambda: session.run(batch))
    middle = float(np.median(took))
    return [model, label, len(batch), len(took), 1e6 * middle, p99(took), len(batch) / middle]
