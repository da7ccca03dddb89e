"""What the gate checks of predictions out-of-fold: are they worth anything, and not worse than before.

Every interval is by the rows' influence on a figure (``auc_influence``), which takes a moment where a
bootstrap takes seconds.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from scipy.stats import norm

from training.evaluation.metrics import auc_influence, log_loss_rows, mean_auc
from training.release.checks import Check

Array = NDArray[np.floating]

#: The loss of mean AUC that a challenger must be shown to stay below, if ``--margin`` says no other.
MARGIN = 0.03
#: A loss of this part of the margin is too much where the rows can show it.
_SHOWN = 0.1
#: One-sided 95 % confidence, and the quantile of nine cases in ten.
_CONFIDENCE, _POWER = float(norm.ppf(0.95)), float(norm.ppf(0.9))
#: If an equal challenger passes more seldom, the check says that it is of no use on these rows.
_USEFUL = 0.8
#: With fewer positive (or negative) rows of a target, the gate says what it cannot know.
FEW = 50


def learned(labels: Array, challenger: Array) -> Check:
    """Whether out-of-fold scores ``(n, T)`` rank labels ``(n, T)`` better than chance."""
    auc = mean_auc(labels, challenger)
    error = _length(auc_influence(labels, challenger))
    low, high = auc - norm.ppf(0.975) * error, min(auc + norm.ppf(0.975) * error, 1.0)
    return Check(
        "learned",
        bool(low > 0.5),
        f"out-of-fold mean AUC {auc:.4f}, 95 % interval {low:.4f} to {high:.4f}:"
        f" {'better than' if low > 0.5 else 'no better than'} chance",
        {"mean_auc": auc, "low": float(low), "high": float(high)},
    )


def positives(labels: Array, targets: tuple[str, ...]) -> Check:
    """Say of which targets so few rows are of one class that the figures tell little; never fails."""
    few: dict[str, int] = {}
    for target, column in zip(targets, labels.T, strict=True):
        rarer = min(int((column == 1).sum()), int((column == 0).sum()))
        if rarer < FEW:
            few[target] = rarer
    texts = [
        f"{target} has {rows} row{'s' * (rows != 1)} of its rarer class: its recall is known to"
        f" ±{1 / np.sqrt(rows):.2f}"
        for target, rows in few.items()
    ]
    text = f"every target has {FEW} rows or more of either class"
    if texts:
        text = "; ".join(texts) + "; no check can see what these few rows do not show"
    return Check("positives", True, text, {"few": dict[str, JsonValue](few)})


def discrimination(labels: Array, challenger: Array, champion: Array, margin: float = MARGIN) -> Check:
    """Compare the mean AUC of out-of-fold scores ``(n, T)`` of both on the same rows."""
    gap = mean_auc(labels, challenger) - mean_auc(labels, champion)
    error = _length(auc_influence(labels, challenger) - auc_influence(labels, champion))
    figure = f"mean AUC {gap:+z.4f}"
    return not_worse("discrimination", figure, gap, error, margin, len(labels), loss=-1)


def not_worse(
    name: str, figure: str, gap: float, error: float, margin: float, rows: int, *, loss: Literal[1, -1]
) -> Check:
    """Judge a difference of out-of-fold figures on the same rows by the margin of non-inferiority.

    ``gap`` is the challenger's figure less the champion's, ``figure`` says it in words, ``error`` is its
    standard error, and ``loss`` the sign of a gap that is a loss. The challenger passes if the end of
    the one-sided 95 % interval with the largest loss is within ``margin``, and if the other end does not
    show a loss of a tenth of that. The figures say what such rows can show (``power``).
    """
    reach = _CONFIDENCE * error
    met, shown = loss * gap + reach < margin, loss * gap - reach > _SHOWN * margin
    equal, smallest = power(error, margin)
    verdict = "worse" if shown else "not worse" if met else "it may be that much worse"
    text = (
        f"out-of-fold {figure} against the champion on the same {rows} rows, 90 % interval"
        f" {gap - reach:+z.4f} to {gap + reach:+z.4f}; margin {margin:g}: {verdict}. On such rows an"
        f" equal challenger passes in {equal:.0%} of cases, and losses below {smallest:.4f} cannot be"
        " told from none"
    )
    if not met and not shown and equal < _USEFUL:
        text += ": nothing useful can be met; judge by other evidence, and use --promote always"
    figures: dict[str, JsonValue] = {
        "difference": gap,
        "low": gap - reach,
        "high": gap + reach,
        "margin": margin,
        "rows": rows,
        "equal_passes": equal,
        "smallest_loss": smallest,
    }
    return Check(name, met and not shown, text, figures)


def power(error: float, margin: float) -> tuple[float, float]:
    """How often an equal challenger passes, and the smallest margin that it meets in nine of ten cases.

    ``error`` is the standard error of the difference. A loss of a margin's size is held
    back in 95 of 100 cases whatever the error, so that the second is the smallest loss that rows of this
    number can tell from none.
    """
    smallest = (_POWER + _CONFIDENCE) * error
    if error == 0:
        return 1.0, smallest
    least = max(-margin + _CONFIDENCE * error, -_SHOWN * margin - _CONFIDENCE * error)
    return float(norm.sf(least / error)), smallest


def calibration(labels: Array, challenger: Array, champion: Array | None) -> Check:
    """Compare cross-fitted probabilities ``(n, T)`` by log-loss with the base rate and the champion."""
    own = log_loss_rows(labels, challenger)
    base = log_loss_rows(labels, np.tile(np.nanmean(labels, axis=0), (len(labels), 1)))
    loss, base_loss = (float(np.nanmean(np.nanmean(rows, axis=0))) for rows in (own, base))
    figures: dict[str, JsonValue] = {"log_loss": loss, "base_rate_log_loss": base_loss}
    below = loss < base_loss
    text = f"log-loss {loss:.4f}, {'below' if below else 'not below'} the base rate's {base_loss:.4f}"
    if champion is None:
        return Check("calibration", below, text, figures)
    paired = own - log_loss_rows(labels, champion)
    by_target = np.nanmean(paired, axis=0)
    gap = float(by_target.mean())
    weight = 1 / (np.isfinite(paired).sum(axis=0) * paired.shape[1])
    error = _length(np.nansum((paired - by_target) * weight, axis=1))
    low, high = gap - norm.ppf(0.975) * error, gap + norm.ppf(0.975) * error
    figures |= {"difference": gap, "low": float(low), "high": float(high)}
    text += f"; {gap:+z.5f} against the champion, 95 % interval {low:+z.5f} to {high:+z.5f}"
    return Check("calibration", below and bool(low <= 0), text, figures)


def _length(influence: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(influence).sum()))
