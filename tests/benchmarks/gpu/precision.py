"""How far each precision strays from one core, and how many calls it changes."""

from itertools import cycle

import numpy as np

from models.networks.outputs import TAPS
from service.inference.backend.onnx_session import Session
from tests.benchmarks.gpu.place import MODELS, VARIANTS, Place, named, on_core, rows_like, told
from tests.benchmarks.report import Cell, Table

#: Rows of one run after another, so that every bucket is used again after the others.
_PIECES = (1000, 1, 200, 7, 500, 30)


def run(place: Place) -> list[Table]:
    """Compare outputs on rows that span the golden ones, in batches of changing size."""
    rows: list[list[Cell]] = []
    notes = [f"{place.rows:,} rows made of golden ones, against float32 on one core."]
    for model in MODELS:
        bundle = place.bundle(model)
        batch = rows_like(bundle.golden.features, place.rows)
        thresholds = np.array([target.threshold for target in bundle.manifest.targets])
        expected = _in_pieces(on_core(bundle.model), batch)
        for precision, captured in VARIANTS:
            label = named(precision, captured)
            with told(notes, f"{model}, {label}"):
                made = _in_pieces(place.open(bundle.model, precision, captured=captured), batch)
                rows.append([model, label, *_compared(made, expected, thresholds)])
                place.tell(rows[-1])
    columns = [
        "model", "in", "largest Δp", "mean Δp", "calls that change", "largest Δ of a logit",
        "largest Δ of a layer's mean or variance, of its scale", "largest Δ of a saturated share",
    ]  # fmt: skip
    return [Table("What precision costs", columns, rows, notes)]


def _compared(
    made: dict[str, np.ndarray], expected: dict[str, np.ndarray], thresholds: np.ndarray
) -> list[str]:
    off = np.abs(made["probability"] - expected["probability"])
    changed = (made["probability"] >= thresholds) != (expected["probability"] >= thresholds)
    logits = np.abs(made["logit"] - expected["logit"])
    # A layer's scale, as for golden rows: of its mean, of its variance, of a share.
    variance = expected[TAPS][..., 1].mean(axis=0)
    scale = np.maximum(np.stack([np.sqrt(variance), variance, np.ones_like(variance)], axis=-1), 1e-3)
    taps = np.abs(made[TAPS] - expected[TAPS]) / scale
    return [
        f"{off.max():.1e}", f"{off.mean():.1e}", f"{changed.sum():,} of {changed.size:,}",
        f"{logits.max():.1e}", f"{taps[..., :2].max():.1e}", f"{taps[..., 2].max():.1e}",
    ]  # fmt: skip


def _in_pieces(session: Session, batch: np.ndarray) -> dict[str, np.ndarray]:
    pieces, first = [], 0
    for size in cycle(_PIECES):
        pieces.append(session.run(batch[first : first + size]))
        first += size
        if first >= len(batch):
            return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    raise AssertionError
