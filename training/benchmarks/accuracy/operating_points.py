"""Methods compared on the same rows where a survey works: at a small share of false positives.

Scores are out-of-fold. Every cut-off is cross-fitted: that of a row comes from other rows. Differences
are paired: each draw of the bootstrap takes the same rows for both methods.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.statistics import with_interval
from training.data import load_htru2
from training.evaluation.calibration import cross_fitted_calls, parts_of, sigmoid
from training.evaluation.metrics import auc, average_precision, markdown_table
from training.evaluation.rate_cut_off import cut_off_calls
from training.pipeline.evaluate import bundle_folds, bundle_out_of_fold

Array = NDArray[np.floating]
Rows = NDArray[np.intp]
#: Gives probabilities ``(n,)`` of all rows by a method that learned from some rows without a fold, and
#: chose its depth, if it has one, on an inner part of these.
Rival = Callable[[str, int, Rows, Rows], Array]

#: The shares of noise that a cut-off calls: LOTAAS' (C. M. Tan et al., MNRAS 474 (2018) 4571), and half.
RATES = (0.011, 0.005)
_DRAWS = 1000
FIGURES = ("AUC", "average precision", *(f"recall at {rate:.1%} FPR" for rate in RATES), "F1")


def compared(labels: Array, probability: Mapping[str, Array], draws: int = _DRAWS) -> str:
    """Two tables in Markdown: each method's figures, and the first one's less each other's.

    ``labels`` ``(n,)`` are without NaN, ``probability`` ``(n,)`` by method. Intervals are 95 %, by
    ``draws`` of the rows.
    """
    figures = {name: _figures(labels, values) for name, values in probability.items()}
    every = np.arange(len(labels))
    measured = {name: of(every) for name, of in figures.items()}
    rng = np.random.default_rng(0)
    sampled = [rng.integers(0, len(labels), len(labels)) for _ in range(draws)]
    drawn = {name: np.stack([of(rows) for rows in sampled]) for name, of in figures.items()}
    own, gaps = [], []
    first, *others = probability
    for name in probability:
        low, high = np.percentile(drawn[name], [2.5, 97.5], axis=0)
        values = zip(measured[name], low, high, strict=True)
        rates = " / ".join(f"{rate:.2%}" for rate in _reached(labels, probability[name]))
        own.append((name, *(f"{value:.4f} ({a:.4f}–{b:.4f})" for value, a, b in values), rates))
    for name in others:
        low, high = np.percentile(drawn[first] - drawn[name], [2.5, 97.5], axis=0)
        values = zip(measured[first] - measured[name], low, high, strict=True)
        gaps.append((name, *(with_interval(*map(float, value)) for value in values)))
    reached = f"FPR reached by the cut-offs for {' / '.join(f'{rate:.1%}' for rate in RATES)}"
    return "\n".join(
        [
            *markdown_table(("method", *FIGURES, reached), own),
            "",
            f"{first} minus each other method:",
            "",
            *markdown_table(("method", *FIGURES), gaps),
        ]
    )


def champion_section(repository: Repository, rivals: Sequence[str], fit: Rival, say: Say) -> str:
    """The champion of HTRU2 beside rivals that are fitted without each of its folds, in Markdown."""
    dataset = load_htru2()
    version = repository.serving("htru2").champion
    bundle = open_bundle(repository.bundle("htru2", version))
    folds = bundle_folds(bundle, dataset)
    champion = f"htru2 version {version}"
    scores = {champion: sigmoid(bundle_out_of_fold(bundle, dataset).logits[:, 0])}
    for method in rivals:
        say(f"{method} without each fold of {champion}")
        scores[method] = np.empty(len(dataset))
        for fold in np.unique(folds).tolist():
            own, learn = folds == fold, np.flatnonzero(folds != fold)
            inner = np.flatnonzero(folds == (fold + 1) % (folds.max() + 1))
            scores[method][own] = fit(method, fold, learn, inner)[own]
    say(f"{_DRAWS} draws of {len(dataset):,} rows")
    text = (
        f"Out-of-fold on its five folds, {len(dataset):,} candidates, {int(dataset.labels.sum()):,} of"
        " them pulsars: each row by members, or a rival, that never saw it; that is one network of the"
        " five, where the mean of all is served. Cut-offs are cross-fitted, intervals 95 % by"
        f" {_DRAWS:,} draws of the rows, and differences paired. Rivals are as above, the highway"
        " network's depth chosen on an inner fold."
    )
    title = f"# {champion}, where a survey works"
    return "\n".join([title, "", text, "", compared(dataset.labels[:, 0], scores)])


def _figures(labels: Array, probability: Array) -> Callable[[Rows], NDArray[np.float64]]:
    """A function of rows ``(k,)`` that gives ``FIGURES`` of them; calls are made once, on all rows."""
    calls = [cut_off_calls(labels, probability, rate) for rate in RATES]
    best, _ = cross_fitted_calls(labels, probability, parts_of(labels), "f1")

    def figures(rows: Rows) -> NDArray[np.float64]:
        y, p = labels[rows], probability[rows]
        positive = y == 1
        called = best[rows]
        return np.array(
            [
                auc(y, p),
                average_precision(y, p),
                *(one[rows][positive].mean() for one in calls),
                2 * (called & positive).sum() / (called.sum() + positive.sum()),
            ]
        )

    return figures


def _reached(labels: Array, probability: Array) -> list[float]:
    """The share of the negative rows that each of the cut-offs for ``RATES`` calls."""
    return [float(cut_off_calls(labels, probability, rate)[labels == 0].mean()) for rate in RATES]
