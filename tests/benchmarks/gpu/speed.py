"""Latency of a run, and rows per second, by batch: each precision, CUDA graphs, and one core."""

import numpy as np

from service.inference.backend.onnx_session import Session
from tests.benchmarks.gpu.place import (
    MODELS,
    VARIANTS,
    Place,
    named,
    on_core,
    one_core,
    p99,
    rows_like,
    told,
)
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
        core = on_core(bundle.model)
        with one_core():
            for size in place.sizes:
                if size <= place.largest_on_core:
                    batch = rows_like(bundle.golden.features, size)
                    rows.append(_timed(place, model, "one core", core, batch))
    for precision, captured in VARIANTS:
        for model in MODELS:
            bundle, label = place.bundle(model), named(precision, captured)
            with told(notes, f"{model}, {label}"):
                session = place.open(bundle.model, precision, captured=captured)
                for size in place.sizes:
                    batch = rows_like(bundle.golden.features, size)
                    rows.append(_timed(place, model, label, session, batch))
    rows.sort(key=lambda row: MODELS.index(row[0]))
    columns = ["model", "on", "rows", "runs", "p50, µs", "p99, µs", "rows/s at p50"]
    return [Table("Latency and throughput", columns, rows, notes)]


def _timed(place: Place, model: str, label: str, session: Session, batch: np.ndarray) -> list[Cell]:
    took = place.took(lambda: session.run(batch))
    middle = float(np.median(took))
    row = [model, label, len(batch), len(took), 1e6 * middle, p99(took), len(batch) / middle]
    place.tell(row)
    return row
