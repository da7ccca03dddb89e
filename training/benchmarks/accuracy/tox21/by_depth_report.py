"""The report of ``benchmark tox21``: the paper's table beside ours, and the five folds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from training.benchmarks.harness import Results, save_figure
from training.benchmarks.statistics import mean_and_sd, paired
from training.evaluation.metrics import markdown_table
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
    aucs = aucs_by_depth(results, by_depth)
    depths = sorted({depth for _, depth in aucs})
    chosen = {(job["method"], job["layers"]): f"{job['rate']:g}, {job['dropout']:g}" for job in by_depth}
    shown = [
        [
            mean_and_sd(aucs[method, depth], 1)
            + (f" ({PAPERS[method][depth]})" if depth in PAPERS[method] else "")
            for depth in depths
        ]
        for method in METHODS
    ]
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
        *markdown_table(
            ("", *depths), [(method, *cells) for method, cells in zip(METHODS, shown, strict=True)]
        ),
        "",
        "![mean AUC by depth](tox21.svg)",
        "",
        _ranking(aucs, depths),
        "",
        "Learning rate and dropout chosen:",
        "",
        *markdown_table(
            ("", *depths),
            [(method, *(chosen.get((method, depth), "–") for depth in depths)) for method in METHODS],
        ),
        "",
        *_folds(results, by_fold),
    ]
    return "\n".join(lines)


def draw(results: Results, by_depth: Sequence[Job], path: Path) -> None:
    """Draw mean AUC by depth as an SVG: here, with the sd over seeds, and in the paper."""
    from matplotlib.figure import Figure

    aucs = aucs_by_depth(results, by_depth)
    depths = sorted({depth for _, depth in aucs})
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    ours, theirs = figure.subplots(1, 2, sharex=True, sharey=True)
    for method in METHODS:
        style: dict[str, Any] = {"label": method, "linewidth": 2.5 if method == "SNN" else 1.2}
        own = {depth: aucs[method, depth] for depth in depths if aucs[method, depth]}
        means, sds = ([f(values) for values in own.values()] for f in (np.mean, np.std))
        ours.errorbar(list(own), means, sds, **style)
        theirs.plot(list(PAPERS[method]), list(PAPERS[method].values()), **style)
    for axis, title in ((ours, "here, fold 0"), (theirs, "Klambauer et al. 2017, table 3")):
        axis.set(title=title, xlabel="layers", xscale="log", xticks=depths, xticklabels=depths)
        axis.set_ylim(70, 88)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    ours.set_ylabel("mean AUC of 12 assays × 100")
    theirs.legend(fontsize=8, ncols=2)
    save_figure(figure, path)


def aucs_by_depth(results: Results, by_depth: Sequence[Job]) -> dict[tuple[str, int], list[float]]:
    """Mean AUC * 100 of each seed that has been run, by method and depth."""
    aucs: dict[tuple[str, int], list[float]] = defaultdict(list)
    for job in by_depth:
        row = results.get(job)
        aucs[job["method"], job["layers"]] += [100 * row["mean"]] if row else []
    return aucs


def _ranking(aucs: Mapping[tuple[str, int], Sequence[float]], depths: Sequence[int]) -> str:
    """How far the methods' order at each depth is the paper's."""
    texts = [
        "By layers, the SNN's place here (the paper's), and all methods' rank correlation (Spearman):"
    ]
    for depth in depths:
        methods = [method for method in METHODS if aucs[method, depth] and depth in PAPERS[method]]
        if len(methods) > 2:
            ours = np.array([np.mean(aucs[method, depth]) for method in methods])
            theirs = np.array([PAPERS[method][depth] for method in methods])
            own_rank, paper_rank = (1 + int((row > row[0]).sum()) for row in (ours, theirs))
            correlation = spearmanr(ours, theirs).statistic
            texts.append(
                f"{depth} layers: {own_rank} of {len(ours)} ({paper_rank}), {correlation:+.2f};"
            )
    return " ".join(texts)


def _folds(results: Results, by_fold: Sequence[Job]) -> list[str]:
    """Five folds, each method at its best depth; differences to the SNN paired by fold."""
    layers = {job["method"]: job["layers"] for job in by_fold}
    seeds: dict[str, dict[int, list[float]]] = {method: defaultdict(list) for method in layers}
    for job in by_fold:
        if row := results.get(job):
            seeds[job["method"]][job["fold"]].append(row["mean"])
    means = {
        method: {fold: float(np.mean(values)) for fold, values in folds.items()}
        for method, folds in seeds.items()
    }
    rows = []
    for method, folds in means.items():
        if len(folds) < 2:
            continue
        common = sorted(folds.keys() & means["SNN"].keys())
        gap = paired(np.array([folds[fold] - means["SNN"][fold] for fold in common]), 5)
        spread = mean_and_sd(list(folds.values())) + (f" ({len(folds)} folds)" if len(folds) < 5 else "")
        rows.append((method, layers[method] or "", spread, "" if method == "SNN" else gap))
    return [
        "## Five folds, each method at its best depth of fold 0",
        "",
        "A fold's figure is the mean over seeds; ± is the sd over folds. Differences to the SNN are"
        " paired by fold, with a variance corrected for dependent training sets (Nadeau, Bengio 2003)."
        " The choice of depth flatters every method's fold 0 alike. Random forest and gradient boosting"
        " on the same features and folds: `benchmark tox21-served`.",
        "",
        *markdown_table(("method", "layers", "mean AUC of 12", "minus the SNN's (95 %)"), rows),
    ]
