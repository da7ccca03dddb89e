"""What the promotion gate sees: how often it promotes a challenger that is as good, or worse.

No network is trained. Champion and challenger are scores of two binormal models of a known AUC on the
same rows; the correlation of their errors is high between retrained models and low between unlike ones.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import norm

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.evaluation.metrics import markdown_table
from training.release.comparison import MARGIN, discrimination

_ROWS, _LOSSES = (200, 500, 2000, 5000, 20_000), (0.0, 0.01, 0.02, 0.03, 0.05)
_POSITIVE, _CORRELATION = (0.1, 0.3), (0.9, 0.5, 0.0)
_AUC, _TRIALS = 0.9, 400
_KEYS = ("rows", "positive", "correlation", "loss", "trials", "margin")


def run(_repository: Repository, _seeds: int, processes: int, say: Say) -> str:
    """Return the share of promotions by rows, positives, correlation and true loss of AUC."""
    results = Results(REPORTS / "gate.csv", _KEYS, ("promoted", "smallest_loss"))
    kinds = list(product(_POSITIVE, _CORRELATION, _ROWS))
    jobs = [_job(*kind, loss) for kind in kinds for loss in _LOSSES]
    run_missing(results, jobs, promoted, processes, say)
    rows = []
    for positive, correlation, n in kinds:
        figures = [results.rows[results.key(_job(positive, correlation, n, loss))] for loss in _LOSSES]
        shares = (f"{one['promoted']:.0%}" for one in figures)
        seen = f"{figures[0]['smallest_loss']:.3f}"
        rows.append((f"{positive:.0%}", correlation, f"{n:,}", *shares, seen))
    losses = ("equal" if not loss else f"−{loss:g}" for loss in _LOSSES)
    columns = ("positive", "correlation", "rows", *losses, "smallest loss told from none")
    title = (
        f"Challengers promoted by the check *discrimination* at margin {MARGIN:g}, by their true loss of"
        f" AUC against a champion of {_AUC:g}; {_TRIALS} trials each. The last column is the smallest"
        " margin that an equal challenger meets in 90 % of cases, as the gate's report states it."
    )
    return "\n".join([title, "", *markdown_table(columns, rows)])


def _job(positive: float, correlation: float, rows: int, loss: float) -> dict[str, object]:
    kind: dict[str, object] = {"rows": rows, "positive": positive, "correlation": correlation}
    return kind | {"loss": loss, "trials": _TRIALS, "margin": MARGIN}


def promoted(job: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of trials promoted, and the mean of the smallest losses told from none."""
    rng = np.random.default_rng([int(job["rows"]), int(1000 * job["loss"])])
    rows, correlation = int(job["rows"]), float(job["correlation"])
    labels = (np.arange(rows) < round(float(job["positive"]) * rows)).astype(np.float64)[:, None]
    # AUC of a binormal model is Phi(d / sqrt 2).
    distances = np.sqrt(2) * norm.ppf([_AUC, _AUC - float(job["loss"])])
    passed: list[bool] = []
    seen: list[Any] = []
    for _ in range(int(job["trials"])):
        common, *own = rng.standard_normal((3, rows, 1))
        champion, challenger = (
            distance * labels + np.sqrt(correlation) * common + np.sqrt(1 - correlation) * noise
            for distance, noise in zip(distances, own, strict=True)
        )
        check = discrimination(labels, challenger, champion, float(job["margin"]))
        passed.append(check.passed)
        seen.append(check.figures["smallest_loss"])
    return {"promoted": float(np.mean(passed)), "smallest_loss": float(np.mean(seen))}
