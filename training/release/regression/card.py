"""The model card's figures of quantities."""

from pathlib import Path
from typing import Any

from models.bundle.manifest import Manifest
from training.evaluation.metrics import markdown_table
from training.release.decision_card import by_round

_TEMPLATE = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
_RANGE = "{{{name}:.5g}} ({{{name}_95_interval[0]:.5g}}–{{{name}_95_interval[1]:.5g}})"

#: The columns of the table of targets, as formats of a target's figures.
_COLUMNS = {
    "target": "{name}",
    "unit": "{unit}",
    "measured": "{measured:,}",
    "sd": "{spread:.5g}",
    "RMSE ± sd over folds (95 %)": "{rmse:.5g} ± {rmse_sd_over_folds:.3g}"
    " ({rmse_95_interval[0]:.5g}–{rmse_95_interval[1]:.5g})",
    "MAE (95 %)": _RANGE.format(name="mae"),
    "R² (95 %)": "{r2:.4f} ({r2_95_interval[0]:.4f}–{r2_95_interval[1]:.4f})",
    "coverage (95 %)": "{coverage:.1%} ({coverage_95_interval[0]:.1%}–{coverage_95_interval[1]:.1%})",
    "mean width (95 %)": _RANGE.format(name="width"),
    "pinball loss (95 %)": _RANGE.format(name="pinball"),
}


def quantity_figures(manifest: Manifest, own_members: int) -> str:
    """The section of figures, of which ``own_members`` never saw a given row."""
    overall: Any = manifest.metrics["overall"]
    by_target: Any = manifest.metrics["targets"]
    rows = [
        by_target[quantity.name] | {"name": quantity.name, "unit": quantity.unit or "–"}
        for quantity in manifest.quantities
    ]
    cells = ([cell.format_map(row) for cell in _COLUMNS.values()] for row in rows)
    return _TEMPLATE.format_map(
        overall
        | {
            "members": len(manifest.members),
            "own_members": own_members,
            "by_fold": ", ".join(f"{value:.4f}" for value in overall["r2_by_fold"]),
            "rounds": by_round(manifest, "r2"),
            "targets": "\n".join(markdown_table(_COLUMNS, cells)),
            "coverage": manifest.quantities[0].coverage,
        }
    )
