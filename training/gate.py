"""The promotion gate: a challenger takes the champion's place unless it is worse.

Both are judged on the same rows, each row by members that never saw it: a fold is a function of
the row, so the champion's held-out rows are known without asking how it was trained.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from training.data import Dataset
from training.evaluate import bundle_out_of_fold
from training.metrics import bootstrap, mean_auc

#: The values of ``--promote``.
PROMOTE = ("auto", "always", "never")

_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, and the sentence that says why."""

    promote: bool
    reason: str


def judge(
    labels: NDArray[np.floating], challenger: NDArray[np.floating], champion: NDArray[np.floating]
) -> Verdict:
    """Compare out-of-fold scores ``(n, T)`` of both on the same rows by a paired bootstrap.

    The challenger passes unless its mean AUC is worse beyond chance: the whole 95 % interval of
    the difference below zero.
    """

    def difference(rows: NDArray[np.intp]) -> float:
        return mean_auc(labels[rows], challenger[rows]) - mean_auc(labels[rows], champion[rows])

    gap = difference(np.arange(len(labels)))
    _, low, high = bootstrap(difference, len(labels), draws=_DRAWS)
    passed = high >= 0
    return Verdict(
        passed,
        f"out-of-fold mean AUC {gap:+.4f} against the champion on the same {len(labels)} rows,"
        f" 95 % interval {low:+.4f} to {high:+.4f}: {'not worse' if passed else 'worse'}",
    )


def decide(
    promote: str, dataset: Dataset, challenger: NDArray[np.floating], champion: Bundle | None
) -> Verdict:
    """Apply ``--promote``; ``challenger`` are out-of-fold logits ``(n, T)``."""
    if promote != "auto":
        return Verdict(promote == "always", f"--promote {promote} was asked for")
    if champion is None:
        return Verdict(True, "it is the first version")
    if tuple(champion.manifest.target_names) != dataset.targets:
        return Verdict(False, "the champion predicts other targets; use --promote always if meant")
    return judge(dataset.labels, challenger, bundle_out_of_fold(champion, dataset))
