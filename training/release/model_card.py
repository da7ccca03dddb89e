"""The model card: what a bundle is, how good, for what, and how it was made."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import FIGURE_FILE, Manifest
from training.evaluation.metrics import markdown_table
from training.release.decision_card import by_round, decisions, importance_section, part_lines
from training.release.domain_card import domain_section
from training.release.gate import Report
from training.release.regression.card import quantity_figures

_BINS = 10
_TEMPLATE = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
#: The figures of classes; ``regression.card`` has those of quantities.
_FIGURES = Path(__file__).with_name("class_figures.md").read_text(encoding="utf-8")
_ACCURACY = """\
* Accuracy **{accuracy:.4f}** (95 % interval {accuracy_95_interval[0]:.4f}–\
{accuracy_95_interval[1]:.4f}; of the commonest class {accuracy_base_rate:.4f}); log-loss \
{class_log_loss:.4f} ({class_log_loss_95_interval[0]:.4f}–{class_log_loss_95_interval[1]:.4f}; base \
rate {class_log_loss_base_rate:.4f}).
"""

#: The columns of the targets' table, as formats of a target's figures.
_COLUMNS = {
    "target": "{name}",
    "measured": "{measured:,}",
    "positive": "{positive:,}",
    "AUC ± sd over folds (95 %)": "{auc:.4f} ± {auc_sd_over_folds:.4f}"
    " ({auc_95_interval[0]:.3f}–{auc_95_interval[1]:.3f})",
    "average precision (95 %)": "{average_precision:.3f} ({average_precision_95_interval[0]:.3f}"
    "–{average_precision_95_interval[1]:.3f})",
    "log-loss (95 %; base rate)": "{log_loss:.4f} ({log_loss_95_interval[0]:.4f}"
    "–{log_loss_95_interval[1]:.4f}; {log_loss_base_rate:.4f})",
    "Brier (95 %; base rate)": "{brier:.4f} ({brier_95_interval[0]:.4f}–{brier_95_interval[1]:.4f};"
    " {brier_base_rate:.4f})",
    "slope (95 %)": "{calibration_slope:.2f} ({calibration_slope_95_interval[0]:.2f}"
    "–{calibration_slope_95_interval[1]:.2f})",
    "threshold": "{threshold:.3f}",
    "recall (95 %)": "{recall:.3f} ({recall_95_interval[0]:.3f}–{recall_95_interval[1]:.3f})",
    "FPR (95 %)": "{false_positive_rate:.4f} ({false_positive_rate_95_interval[0]:.4f}"
    "–{false_positive_rate_95_interval[1]:.4f})",
    "F1 (95 %)": "{f1:.3f} ({f1_95_interval[0]:.3f}–{f1_95_interval[1]:.3f})",
}


def reliability_svg(
    labels: NDArray[np.floating], probability: NDArray[np.floating], targets: tuple[str, ...]
) -> bytes:
    """Draw, per target, the observed rate against out-of-fold probability in equal-sized bins."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(len(targets), 4)
    lines = -(-len(targets) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.6, 2.6 * lines + 0.4), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for column, (axis, target) in enumerate(zip(axes, targets, strict=False)):
        measured = ~np.isnan(labels[:, column])
        y, p = labels[measured, column], probability[measured, column]
        bins = np.array_split(np.argsort(p), _BINS)
        mean = np.array([p[rows].mean() for rows in bins])
        rate = np.array([y[rows].mean() for rows in bins])
        error = 1.96 * np.sqrt(mean * (1 - mean) / [len(rows) for rows in bins])
        top = max(float(mean.max()), float(rate.max())) * 1.1
        axis.plot([0, top], [0, top], color="0.7", linewidth=1)
        axis.errorbar(mean, rate, yerr=error, fmt="o", markersize=3, linewidth=1, color="#1f5fa8")
        axis.set(title=target, xlim=(0, top), ylim=(0, top))
        axis.title.set_size(9)
        axis.tick_params(labelsize=7)
    for axis in axes[len(targets) :]:
        axis.set_axis_off()
    figure.supxlabel("predicted probability, out-of-fold", fontsize=9)
    figure.supylabel("observed rate", fontsize=9)
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "reliability", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def model_card(
    manifest: Manifest,
    summary: dict[str, object],
    selection: str,
    limits: str,
    report: Report | None = None,
) -> str:
    """Write the card as Markdown.

    ``summary`` are the data's counts; ``selection`` says how the recipe was chosen, ``limits`` what
    the model must not be used for, ``report`` what the gate found.
    """
    provenance = manifest.provenance
    folds = len({member.fold for member in manifest.members})
    own_members = len(manifest.members) // folds
    first = manifest.reference[0]
    layers = enumerate(zip(first.mean, first.variance, first.saturated, strict=True), start=1)
    figures = quantity_figures if manifest.is_regression else _class_figures
    return _TEMPLATE.format_map(
        {
            "manifest": manifest,
            "provenance": provenance,
            "figures": figures(manifest, own_members) + importance_section(manifest),
            "summary": "\n".join(
                f"* {key.replace('_', ' ')}: {f'{value:,}' if isinstance(value, int) else value}"
                for key, value in summary.items()
            ),
            "files": _table(
                ("file", "sha256"), ((name, f"`{digest}`") for name, digest in provenance.data.items())
            ),
            "members": len(manifest.members),
            "calibrated": _calibrated(manifest),
            "recipes": _recipes(manifest),
            "trees": _trees(manifest),
            "selection": selection,
            "domain": domain_section(manifest),
            "activations": _table(
                ("layer", "mean", "variance", "saturated share"),
                ((layer, *(f"{value:.3f}" for value in values)) for layer, values in layers),
            ),
            "theory": _theory(manifest),
            "gate": "" if report is None else _gate(report),
            "limits": limits,
            "libraries": ", ".join(f"{name} {value}" for name, value in provenance.libraries.items()),
        }
    )


def _class_figures(manifest: Manifest, own_members: int) -> str:
    """The section of figures, of which ``own_members`` never saw a given row."""
    overall: Any = manifest.metrics["overall"]
    by_target: Any = manifest.metrics["targets"]
    rows = [
        by_target[target.name] | {"name": target.name, "threshold": target.threshold}
        for target in manifest.targets
    ]
    return _FIGURES.format_map(
        overall
        | {
            "manifest": manifest,
            "members": len(manifest.members),
            "own_members": own_members,
            "interval": overall["mean_auc_95_interval"],
            "target_count": f"{len(rows)} {'target' if len(rows) == 1 else 'targets'}",
            "accuracy": _ACCURACY.format_map(overall) if manifest.exclusive else "",
            "parts": part_lines(manifest),
            "decisions": decisions(manifest),
            "rounds": by_round(manifest, "mean_auc"),
            "targets": _table(
                _COLUMNS, ([cell.format_map(row) for cell in _COLUMNS.values()] for row in rows)
            ),
            "figure": FIGURE_FILE,
        }
    )


def _calibrated(manifest: Manifest) -> str:
    if manifest.is_regression:
        return (
            "the mean of their values is calibrated by a line, their two quantiles by a conformal margin"
        )
    if manifest.exclusive:
        return "their mean logit is calibrated by one temperature and a bias per class, through softmax"
    return "their mean logit is calibrated per target (Platt)"


def _table(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    return "\n".join(markdown_table(columns, rows))


def _recipes(manifest: Manifest) -> str:
    """The recipe of every round that is served."""
    configuration: Any = manifest.provenance.configuration
    networks = configuration.get("networks") or [configuration["network"]]  # so older versions have it
    folds = len({member.fold for member in manifest.members})
    rows = []
    for number in range(len(manifest.members) // folds):
        network = networks[number % len(networks)]
        without = ", ".join(network.get("without", ()))
        learns = "shares of samples" if network.get("shares") else "majority labels"
        if network.get("quantiles"):
            learns = f"mean, quantiles {', '.join(map(str, network['quantiles']))}"
        rows.append(
            (
                number + 1,
                ", ".join(map(str, manifest.widths_of(number * folds))),
                f"{network['dropout']}, {network['input_dropout']}",
                f"all but {without}" if without else "all features",
                f"{learns}{', targets alike' if network.get('balanced') else ''}",
                f"{network['optimizer']}, {network['learning_rate']}, {network['weight_decay']}",
                f"{network['epochs']}, {network['batch_size']}",
            )
        )
    columns = "round|widths|dropout, inputs'|sees|learns|optimizer, rate, decay|epochs, batch"
    return _table(columns.split("|"), rows)


def _trees(manifest: Manifest) -> str:
    if manifest.trees is None:
        return ""
    recipe: Any = manifest.provenance.configuration["trees"]
    return f"""
Beside them stand boosted trees, {manifest.trees.number} without each fold, of \
{manifest.trees.nodes:,} nodes in all: gradient boosting of all targets at once (Friedman 2001), with \
splits drawn at random (Geurts et al. 2006), at most {manifest.trees.depth} splits above a leaf, step \
{recipe["rate"]}. Their logits, times {recipe["weight"]}, are added to those of each network trained \
without the same fold; what is calibrated is the sum. Activations, theory and activation health are \
those of the networks alone.
"""


def _theory(manifest: Manifest) -> str:
    if not manifest.theory:
        return ""
    rows = (
        (
            number,
            f"{layer.mean:.3f}, {layer.variance:.3f}",
            f"{layer.map_mean:.3f}, {layer.map_variance:.3f}",
            f"{layer.covariance_mean:.3f}, {layer.covariance_variance:.3f}",
            "–" if layer.correlation is None else f"{layer.correlation:.4f}",
        )
        for number, layer in enumerate(manifest.theory[0].layers, start=1)
    )
    table = _table(("layer", "measured", "map g", "with covariance", "r"), rows)
    return f"""
What theory says of the same member, mean and variance over all units and rows: the paper's map g \
takes inputs for independent and alike; with the layer below's covariance each unit is predicted for \
itself, and r is the correlation of the units' predicted and measured means. The fixed point is (0, 1).

{table}
"""


def _gate(report: Report) -> str:
    against = "no champion" if report.champion is None else f"version {report.champion}"
    rows = (
        (check.name, "passed" if check.passed else "**failed**", check.summary)
        for check in report.checks
    )
    table = _table(("check", "", ""), rows)
    return f"\n## Gate\n\n{'Passed' if report.passed else 'Failed'}, beside {against}:\n\n{table}\n"
