"""``benchmark health --suite``: where activations tell what is new, and where others do better."""

import numpy as np
from scipy.stats import rankdata

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health.suite.trial import (
    FIGURES,
    KEYS,
    LABELLED,
    NOVELTY,
    OURS,
    SCORES,
    SETS,
    SUPERVISED,
    trial,
)
from training.evaluation.metrics import markdown_table

#: Areas that differ by less are level.
_LEVEL = 0.01


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what the CSV lacks, with ``seeds`` seeds; return the report."""
    results = Results(REPORTS / "health-suite.csv", KEYS, FIGURES)
    jobs = [
        {"set": name, "protocol": protocol, "class": number, "seed": seed}
        for seed in range(seeds)
        for protocol, number in ((NOVELTY, 0), (LABELLED, 0), (NOVELTY, 1), (NOVELTY, 2))
        for name in SETS
    ]
    run_missing(results, jobs, trial, processes, say)
    return report(results)


def report(results: Results) -> str:
    """Each table's areas under the curve, and where activations win and lose."""
    lines = [
        "# What is new: activations beside outlier detectors on public tables",
        "",
        "Area under the curve of anomalies against ordinary rows, both held out. Tables of the UCI"
        " collection, at most 1,500 rows each. Five self-normalizing networks of 4 × 64 units, each"
        " trained without a fold. *Activations* is the service's own p-value of a row, by inputs and"
        " layers, two-sided: a row that is unusually ordinary counts as strange, too. *One-sided* ranks"
        " by the same distances, larger is stranger. The others score the same rows; those of inputs see"
        " them squashed as the networks do.",
        "",
    ]
    for protocol, what in (
        (NOVELTY, "Networks learn to tell the other classes apart; each of the three largest classes is"
         " left out in turn. Of the other classes' rows 60 % are learned."),
        (LABELLED, "The semi-supervised protocol of ADBench (Han et al. 2022): the rarest class is"
         " anomalous, 70 % of the rows are learned, of their anomalies 5 % are labelled, the others"
         " count as ordinary. Only the networks use the labels."),
    ):  # fmt: skip
        lines += _of_protocol(protocol, what, results)
    return "\n".join(lines)


def _of_protocol(protocol: str, what: str, results: Results) -> list[str]:
    own = {key: figures for key, figures in results.rows.items() if key[1] == protocol}
    if not own:
        return []
    names = [name for name in SCORES if name != SUPERVISED or protocol == LABELLED]
    tables = [name for name in SETS if any(key[0] == name for key in own)]
    areas = np.array(
        [
            [np.mean([one[name] for key, one in own.items() if key[0] == table]) for name in names]
            for table in tables
        ]
    )
    ranks = rankdata(-areas.round(3), axis=1).mean(axis=0)
    rows = [
        (table, *(f"{area:.3f}" for area in line)) for table, line in zip(tables, areas, strict=True)
    ]
    rows.append(("mean", *(f"{area:.3f}" for area in areas.mean(axis=0))))
    rows.append(("mean rank", *(f"{rank:.1f}" for rank in ranks)))
    gaps = areas[:, [names.index(OURS)]] - areas
    counts = [
        "–" if name == OURS
        else f"{(gap >= _LEVEL).sum()} / {(np.abs(gap) < _LEVEL).sum()} / {(gap <= -_LEVEL).sum()}"
        for name, gap in zip(names, gaps.T, strict=True)
    ]  # fmt: skip
    rows.append(("activations win / level / lose", *counts))
    seeds = len({key[3] for key in own})
    cases = f"{len(own)} cases of {len(tables)} tables, {seeds} seed{'s' * (seeds > 1)}."
    best = areas.argmax(axis=1)
    wins = [table for table, at in zip(tables, best, strict=True) if names[at] == OURS]
    lost = [
        f"{table} (to {names[at]}, by {areas[row, at] - areas[row, names.index(OURS)]:.2f})"
        for row, (table, at) in enumerate(zip(tables, best, strict=True))
        if areas[row, at] - areas[row, names.index(OURS)] >= 0.05
    ]
    return [
        f"## {protocol[0].upper()}{protocol[1:]}",
        "",
        f"{what} {cases}",
        "",
        *markdown_table(("table", *names), rows),
        "",
        f"Activations are best on: {', '.join(wins) or 'none'}.",
        f"They lose by 0.05 or more on: {', '.join(lost) or 'none'}.",
        "",
    ]
