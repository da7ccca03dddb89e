"""How far each precision strays from one core, and how many calls it changes."""

import numpy as np

from models.manifest import TAPS
from tests.benchmarks.gpu.place import FP16, FP32, MODELS, TF32, Place, on_core, rows_like
from tests.benchmarks.report import Cell, Table

_PIECE = 1000


def run(place: Place) -> list[Table]:
    """Compare outputs on rows that span the golden ones, and a CUDA graph's with the plain one's."""
    rows: list[list[Cell]] = []
    for model in MODELS:
        bundle = place.bundle(model)
        batch = rows_like(bundle.golden.features, place.rows)
        expected = _in_pieces(on_core(bundle.model), batch)
        thresholds = np.array([target.threshold for target in bundle.manifest.targets])
        called = expected["probability"] >= thresholds
        # A layer's scale, as for golden rows: of its mean, of its variance, of a share.
        variance = expected[TAPS][..., 1].mean(axis=0)
        scale = np.maximum(
            np.stack([np.sqrt(variance), variance, np.ones_like(variance)], axis=-1), 1e-3
        )
        for precision in (FP32, TF32, FP16):
            for captured in (False, True):
                label = f"{precision}, CUDA graph" if captured else precision
                place.options.say(f"gpu: {model}, {label}")
                made = _in_pieces(place.open(bundle.model, precision, captured=captured), batch)
                off = np.abs(made["probability"] - expected["probability"])
                changed = int(((made["probability"] >= thresholds) != called).sum())
                logits = float(np.abs(made["logit"] - expected["logit"]).max())
                taps = np.abs(made[TAPS] - expected[TAPS]) / scale
                rows.append([
                    model, label, f"{off.max():.1e}", f"{off.mean():.1e}",
                    f"{changed:,} of {called.size:,}",
                    f"{logits:.1e}", f"{taps[..., :2].max():.1e}", f"{taps[..., 2].max():.1e}",
                ])  # fmt: skip
    columns = [
        "model", "in", "largest |Δp|", "mean |Δp|", "calls that change", "largest |Δ logit|",
        "largest Δ of a layer's mean or variance, of its scale", "largest Δ of a saturated share",
    ]  # fmt: skip
    note = f"{place.rows:,} rows made of golden ones, against float32 on one core."
    return [Table("What precision costs", columns, rows, [note])]


def _in_pieces(session: object, batch: np.ndarray) -> dict[str, np.ndarray]:
    pieces = [session.run(batch[first : first + _PIECE]) for first in range(0, len(batch), _PIECE)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
