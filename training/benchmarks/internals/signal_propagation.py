"""Mean and variance of activations through 32 layers, at the start and through training.

The paper's claim: an SNN keeps its activations near mean 0 and variance 1 by itself. Trained on HTRU2
without fold 0; statistics over units and 2,000 rows of fold 0.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import gmean

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing, save_figure
from training.data import featurizer_for, load_htru2
from training.evaluation.metrics import auc, markdown_table
from training.networks.network import Network
from training.networks.preprocessing import fit_squash
from training.networks.rivals import METHODS, build
from training.networks.training_loop import Recipe, train_network
from training.pipeline.run import feature_rows
from training.recipes.official import HTRU2

LAYERS = 32
RECIPE = Recipe(units=128, layers=LAYERS, batch_size=512, epochs=1, learning_rate=1e-3)
#: Epochs after which the layers are measured; 0 is the start.
EPOCHS = (0, 1, 5, 10)
_SHOWN = (1, 2, 4, 8, 16, 24, 32)
_FIGURES = tuple(
    f"{what}_{epoch}_{layer}"
    for what, epoch, layer in product(("mean", "variance"), EPOCHS, range(1, LAYERS + 1))
)


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what is missing; draw the figure and return the report."""
    results = Results(REPORTS / "signal.csv", ("method", "seed"), (*_FIGURES, "auc"))
    jobs = [{"method": method, "seed": seed} for seed in range(seeds) for method in METHODS]
    run_missing(results, jobs, measure, processes, say)
    _draw(results)
    return report(results, seeds)


def measure(job: Mapping[str, Any]) -> dict[str, float]:
    """Train one network and measure its layers after each of ``EPOCHS``."""
    dataset = load_htru2()
    featurizer = featurizer_for(dataset)
    raw = feature_rows(dataset, featurizer)
    learn = dataset.folds != 0
    rows = fit_squash(raw[learn], featurizer.names, HTRU2.blocks).transform(raw)
    judge = np.flatnonzero(~learn)[:2000]
    torch.manual_seed(job["seed"])
    network = build(job["method"], RECIPE, rows.shape[1], 1)
    figures = _measure(network, rows[judge], 0)
    for before, after in pairwise(EPOCHS):
        train_network(
            network,
            rows[learn],
            dataset.labels[learn],
            (rows[judge], dataset.labels[judge]),
            replace(RECIPE, epochs=after - before),
            lambda _: None,
        )
        figures |= _measure(network, rows[judge], after)
    with torch.no_grad():
        scores = network(torch.from_numpy(rows[judge])).numpy()[:, 0]
    return figures | {"auc": auc(dataset.labels[judge, 0], scores)}


def _measure(network: Network, rows: NDArray[np.float32], epoch: int) -> dict[str, float]:
    # Batch normalisation has no running averages before training: it uses the batch's.
    layers = network.train(epoch == 0).activations(torch.from_numpy(rows))
    figures = {}
    for number, layer in enumerate(layers, start=1):
        figures[f"mean_{epoch}_{number}"] = float(layer.mean())
        figures[f"variance_{epoch}_{number}"] = float(layer.var(correction=0))
    return figures


def report(results: Results, seeds: int) -> str:
    """Markdown: variance by layer at the start and at the end, and the figure."""
    lines = [
        "# Activations through 32 layers",
        "",
        f"`python -m training benchmark signal --seeds {seeds}`. HTRU2, {LAYERS} layers of"
        f" {RECIPE.units} units, no dropout; each period between looks has a cosine schedule of its own."
        " Statistics over held-out rows and units, geometric mean (variance) or mean over seeds. The"
        " residual network's layers are blocks.",
        "",
        "![mean and variance by layer](signal.svg)",
    ]
    for what in ("variance", "mean"):
        rows = [
            (method, epoch, *(f"{values[layer - 1]:.3g}" for layer in _SHOWN))
            for method in METHODS
            for epoch in (EPOCHS[0], EPOCHS[-1])
            if (values := profile(results, method, what, epoch)) is not None
        ]
        title = f"## {what.capitalize()} after SELU or ReLU, by layer"
        lines += ["", title, "", *markdown_table(("method", "epochs", *_SHOWN), rows)]
    aucs = {m: [row["auc"] for key, row in results.rows.items() if key[0] == m] for m in METHODS}
    means = "; ".join(f"{method} {np.mean(values):.4f}" for method, values in aucs.items() if values)
    return "\n".join([*lines, "", f"AUC of the 2,000 rows after {EPOCHS[-1]} epochs: {means}."])


def profile(results: Results, method: str, what: str, epoch: int) -> NDArray[np.float64] | None:
    """A statistic of every layer, averaged over seeds; None if the method was not run."""
    rows = [row for key, row in results.rows.items() if key[0] == method]
    if not rows:
        return None
    values = np.array(
        [[row[f"{what}_{epoch}_{layer}"] for layer in range(1, LAYERS + 1)] for row in rows]
    )
    return np.asarray(values.mean(axis=0) if what == "mean" else gmean(np.maximum(values, 1e-30)))


def _draw(results: Results) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    for (column, epoch), (row, what) in product(
        enumerate((EPOCHS[0], EPOCHS[-1])), enumerate(("mean", "variance"))
    ):
        axis = axes[row, column]
        for method in METHODS:
            values = profile(results, method, what, epoch)
            if values is not None:
                width = 2.5 if method == "SNN" else 1.2
                axis.plot(np.arange(1, LAYERS + 1), values, label=method, linewidth=width)
        axis.set_title(f"{what}, {'at the start' if epoch == 0 else f'after {epoch} epochs'}")
        axis.set_yscale("symlog" if what == "mean" else "log")
        axis.grid(alpha=0.3)
    axes[1, 0].set_xlabel("layer")
    axes[1, 1].set_xlabel("layer")
    axes[0, 1].legend(fontsize=8, ncols=2)
    save_figure(figure, REPORTS / "signal.svg")
