"""What IO binding in fixed buckets saves of a plain run, which allocates and copies by itself."""

import numpy as np

from service.inference.backend.onnx_session import Session
from tests.benchmarks.gpu.place import MODELS, Place, p99, rows_like, told
from tests.benchmarks.report import Cell, Table


def run(place: Place) -> list[Table]:
    """Time both on the same session, alternately by size, and compare what they give."""
    rows: list[list[Cell]] = []
    notes = ["FP32, one session."]
    for model in MODELS:
        bundle = place.bundle(model)
        with told(notes, model):
            bound = place.open(bundle.model)
            plain = Session(bound._session)
            for size in place.sizes:
                batch = rows_like(bundle.golden.features, size)
                outputs, others = bound.run(batch), plain.run(batch)
                apart = max(float(np.abs(outputs[name] - others[name]).max()) for name in outputs)
                for label, session in (("plain run", plain), ("IO binding", bound)):
                    took = place.took(lambda session=session, batch=batch: session.run(batch))
                    rows.append([model, size, label, 1e6 * float(np.median(took)), p99(took), apart])
                    place.tell(rows[-1])
    columns = ["model", "rows", "by", "p50, µs", "p99, µs", "largest difference of an output"]
    return [Table("A plain run against IO binding", columns, rows, notes)]
