"""Whether a calibration map that knows how near a molecule is to those learned mends new chemistry.

The champion of Tox21 out-of-fold: its maps are fitted to molecules of every similarity, so that those
without a relative among the learned ones get probabilities too far from the base rate. A correction of
four numbers, shared by the assays, moves the slope and the level of a calibrated logit with the
similarity to the nearest compound of another fold. Maps and correction of a row are of the other folds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.statistics import with_interval
from training.data import load_tox21
from training.data.official.far_rows import SIMILAR, nearest_elsewhere
from training.evaluation.averaging import as_served
from training.evaluation.calibration import fit_platt, sigmoid, slope_interval
from training.evaluation.metrics import log_loss_rows, markdown_table, mean_interval
from training.pipeline.evaluate import bundle_out_of_fold

Array = NDArray[np.floating]


def run(repository: Repository, _seeds: int, _processes: int, say: Say) -> str:
    """Return slopes and log-loss with and without the correction, near and far from what is known."""
    dataset = load_tox21()
    bundle = open_bundle(repository.bundle("tox21", repository.serving("tox21").champion))
    say(f"asking version {bundle.manifest.version} for {len(dataset):,} parents out-of-fold")
    own = bundle_out_of_fold(bundle, dataset)
    logits = as_served(dataset.labels, own.logits, own.spread, dataset.folds, exclusive=False)
    similarity = nearest_elsewhere([str(record) for record in dataset.records], dataset.folds)
    plain, corrected = cross_fitted(dataset.labels, logits, similarity, dataset.folds)
    text = (
        f"`python -m training benchmark calibration-similarity`. Tox21 version {bundle.manifest.version}"
        " out-of-fold with the spread of the served mean, twelve assays pooled: by its kind of maps, and"
        " by these with a correction for the similarity (ECFP4, Tanimoto) to the nearest learned"
        " compound. Intervals are 95 %; log-loss in nats, its change paired."
    )
    return "\n".join([text, "", *table(dataset.labels, plain, corrected, similarity)])


def cross_fitted(
    labels: Array, logits: Array, similarity: Array, folds: NDArray[np.integer]
) -> tuple[Array, Array]:
    """Probabilities ``(n, T)`` of each fold by maps of the others, and by their correction, too."""
    plain, corrected = np.full((2, *labels.shape), np.nan)
    nearness = np.broadcast_to(similarity[:, None] - SIMILAR, labels.shape)
    for fold in np.unique(folds):
        own, calibrated = folds == fold, np.empty(labels.shape)
        for target, (y, z) in enumerate(zip(labels.T, logits.T, strict=True)):
            known = ~own & ~np.isnan(y)
            platt = fit_platt(y[known], z[known])
            calibrated[:, target] = platt.slope * z + platt.intercept
        known = ~own[:, None] & ~np.isnan(labels)
        weights = _regression(_terms(calibrated[known], nearness[known]), labels[known])
        plain[own] = sigmoid(calibrated[own])
        corrected[own] = sigmoid(_terms(calibrated[own], nearness[own]) @ weights)
    return plain, corrected


def _terms(logits: Array, nearness: Array) -> NDArray[np.float64]:
    return np.stack([logits, np.ones_like(logits), logits * nearness, nearness], axis=-1)


def _regression(terms: Array, labels: Array) -> NDArray[np.float64]:
    """Weights ``(4,)`` of a logistic regression of labels ``(n,)``, from no correction on."""

    def loss(weights: Array) -> tuple[float, NDArray[np.float64]]:
        z = terms @ weights
        error = sigmoid(z) - labels
        return float(np.mean(np.logaddexp(0, z) - labels * z)), error @ terms / len(labels)

    return np.asarray(minimize(loss, np.array([1.0, 0, 0, 0]), jac=True, method="BFGS").x)


def table(labels: Array, plain: Array, corrected: Array, similarity: Array) -> list[str]:
    """Markdown of both probabilities ``(n, T)`` by similarity ``(n,)``."""
    edges = {"all": (0.0, 1.1), f"below {SIMILAR:g}": (0.0, SIMILAR)}
    edges |= {f"{low:g} to {high:g}": (low, high) for low, high in ((0.4, 0.55), (0.55, 0.7))}
    edges["from 0.7 on"] = (0.7, 1.1)
    rows = []
    for name, (low, high) in edges.items():
        within = (similarity >= low) & (similarity < high)
        known = within[:, None] & ~np.isnan(labels)
        slopes = [slope_interval(labels[known], part[known]) for part in (plain, corrected)]
        losses = [log_loss_rows(labels[known], part[known]) for part in (plain, corrected)]
        change = mean_interval(losses[1] - losses[0])
        rows.append(
            (
                name,
                f"{int(within.sum()):,}",
                *(f"{slope:.2f} ({least:.2f}–{most:.2f})" for slope, least, most in slopes),
                f"{losses[0].mean():.4f}",
                with_interval(*change),
            )
        )
    columns = ("similarity", "compounds", "slope", "slope, corrected", "log-loss", "its change")
    return markdown_table(columns, rows)
