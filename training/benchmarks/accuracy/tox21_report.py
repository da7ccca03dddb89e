"""The report of ``benchmark tox21``: the paper's table beside ours, and the five folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from training.benchmarks.harness import Results
from training.benchmarks.statistics import paired
from training.networks.rivals import METHODS
from training.networks.training_loop import Recipe

Job = Mapping[str, Any]

#: Mean AUC * 100 over 12 assays by layers (paper, table 3); it has no residual network of 32 blocks.
PAPERS = {
    "SNN": {2: 83.7, 4: 84.2, 8: 84.5, 16: 83.5, 32: 82.5},
    "batch norm": {2: 80.0, 4: 77.2, 8: 75.0, 16: 73.7, 32: 76.0},
    "layer norm": {2: 84.3, 4: 84.0, 8: 80.9, 16: 78.7, 32: 78.8},
    "weight norm": {2: 83.7, 4: 82.2, 8: 81.9, 16: 78.1, 32: 56.6},
    "highway": {2: 83.3, 4: 82.6, 8: 80.3, 16: 80.3, 32: 79.6},
    "residual": {2: 82.2, 4: 80.5, 8: 81.8, 16: 81.2},
    "He ReLU": {2: 82.7, 4: 81.1, 8: 80.9, 16: 80.2, 32: 80.4},
}


def report(
    results: Results, by_depth: Sequence[Job], by_fold: Sequence[Job], recipe: Recipe, choices: int
) -> str:
    """Markdown of what has been run of both steps; ``choices`` were tried for each method and depth."""
    fits = {results.key(job): results.get(job) is not None for job in (*by_depth, *by_fold)}
    seeds = len({job["seed"] for job in by_depth})
    depths = sorted({job["layers"] for job in by_depth})
    lines = [
        "# Tox21 by depth and method",
        "",
        f"`python -m training benchmark tox21 --seeds {seeds}`; {sum(fits.values())} of {len(fits)} fits"
        f" are done. Networks of {recipe.units} units, AdamW, {recipe.epochs} epochs, input dropout"
        f" {recipe.input_dropout:g}; the learning rate and the dropout of each method and depth are the"
        f" best of {choices} on fold 1, by networks that saw neither fold 0 nor 1.",
        "",
        "## Fold 0: mean AUC of 12 assays × 100 by layers, mean ± sd over seeds (the paper's)",
        "",
        f"| | {' | '.join(map(str, depths))} |",
        f"|---|{'---|' * len(depths)}",
    ]
    for method in METHODS:
        cells = []
        for depth in depths:
            papers = PAPERS[method].get(depth)
            values = _values(results, by_depth, method, depth)
            cells.append(_cell(values) + (f" ({papers})" if papers else ""))
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines += ["", "![mean AUC by depth](tox21.svg)", "", *_ranking(results, by_depth, depths), ""]
    lines += [*_chosen(by_depth, depths), "", *_folds(results, by_fold)]
    return "\n".join(lines)


def draw(results: Results, by_depth: Sequence[Job], path: Path) -> None:
    """Draw mean AUC by depth as an SVG: here, with the sd over seeds, and in the paper."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    depths = sorted({job["layers"] for job in by_depth})
    figure, (ours, theirs) = plt.subplots(
        1, 2, figsize=(10, 4.2), sharex=True, sharey=True, layout="constrained"
    )
    for method in METHODS:
        style: dict[str, Any] = {"label": method, "linewidth": 2.5 if method == "SNN" else 1.2}
        made = {depth: _values(results, by_depth, method, depth) for depth in depths}
        made = {depth: values for depth, values in made.items() if values}
        means = [float(np.mean(values)) for values in made.values()]
        ours.errorbar(list(made), means, [np.std(values) for values in made.values()], **style)
        theirs.plot(list(PAPERS[method]), list(PAPERS[method].values()), **style)
    for axis, title in ((ours, "here, fold 0"), (theirs, "Klambauer et al. 2017, table 3")):
        axis.set(title=title, xlabel="layers", xscale="log", xticks=depths, xticklabels=depths)
        axis.set_ylim(70, 88)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    ours.set_ylabel("mean AUC of 12 assays × 100")
    theirs.legend(fontsize=8, ncols=2)
    with mpl.rc_context({"svg.hashsalt": "tox21"}):  # the same figure gives the same file
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _values(results: Results, by_depth: Sequence[Job], method: str, depth: int) -> list[float]:
    """Mean AUC * 100 of each seed that has been run."""
    jobs = [job for job in by_depth if (job["method"], job["layers"]) == (method, depth)]
    return [100 * row["mean"] for job in jobs if (row := results.get(job))]


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def _ranking(results: Results, by_depth: Sequence[Job], depths: Sequence[int]) -> list[str]:
    """How far the methods' order at each depth is the paper's."""
    lines = [
        "By layers, the SNN's place here (the paper's), and all methods' rank correlation (Spearman):"
    ]
    for depth in depths:
        ours, theirs = [], []
        for method in METHODS:
            values = _values(results, by_depth, method, depth)
            if values and depth in PAPERS[method]:
                ours.append(float(np.mean(values)))
                theirs.append(PAPERS[method][depth])
        if len(ours) > 2:
            here, there = (1 + sum(each > row[0] for each in row) for row in (ours, theirs))
            correlation = spearmanr(ours, theirs).statistic
            lines.append(f"{depth} layers: {here} of {len(ours)} ({there}), {correlation:+.2f};")
    return [" ".join(lines)]


def _chosen(by_depth: Sequence[Job], depths: Sequence[int]) -> list[str]:
    """The learning rate and dropout of every method and depth."""
    chosen = {(job["method"], job["layers"]): f"{job['rate']:g}, {job['dropout']:g}" for job in by_depth}
    return [
        "Learning rate and dropout chosen:",
        "",
        f"| | {' | '.join(map(str, depths))} |",
        f"|---|{'---|' * len(depths)}",
        *(
            f"| {method} | {' | '.join(chosen.get((method, depth), '–') for depth in depths)} |"
            for method in METHODS
        ),
    ]


def _folds(results: Results, by_fold: Sequence[Job]) -> list[str]:
    """Five folds, each method at its best depth; differences to the SNN paired by fold."""
    lines = [
        "## Five folds, each method at its best depth of fold 0",
        "",
        "A fold's figure is the mean over seeds; ± is the sd over folds. Differences to the SNN are"
        " paired by fold, with a variance corrected for dependent training sets (Nadeau, Bengio 2003)."
        " The choice of depth flatters every method's fold 0 alike. Random forest and gradient boosting"
        " on the same features and folds: `benchmark tox21-served`.",
        "",
        "| method | layers | mean AUC of 12 | minus the SNN's (95 %) |",
        "|---|---|---|---|",
    ]
    figures: dict[str, dict[int, float]] = {}
    layers: dict[str, int] = {}
    for job in by_fold:
        layers[job["method"]] = job["layers"]
    for method in layers:
        folds: dict[int, list[float]] = {}
        for job in by_fold:
            if job["method"] == method and (row := results.get(job)):
                folds.setdefault(job["fold"], []).append(row["mean"])
        figures[method] = {fold: float(np.mean(values)) for fold, values in folds.items()}
    for method, by in figures.items():
        if len(by) < 2:
            continue
        values = np.array(list(by.values()))
        common = sorted(by.keys() & figures["SNN"].keys())
        gap = paired(np.array([by[fold] - figures["SNN"][fold] for fold in common]), 5)
        spread = f"{values.mean():.4f} ± {values.std(ddof=1):.4f}"
        if len(by) < 5:
            spread += f" ({len(by)} folds)"
        lines.append(
            f"| {method} | {layers[method] or ''} | {spread} | {'' if method == 'SNN' else gap} |"
        )
    return lines
