"""The model card's sections on decisions: an assay's two cut-offs, what assays measure, intervals."""

from collections.abc import Sequence
from typing import Any

from models.bundle.manifest import Manifest
from training.evaluation.intervals import COVERAGE
from training.evaluation.metrics import markdown_table
from training.evaluation.thresholds import ACTIVE_PRECISION

_RATES = (
    "{precision:.3f} ({precision_95_interval[0]:.3f}–{precision_95_interval[1]:.3f})",
    "{recall:.3f} ({recall_95_interval[0]:.3f}–{recall_95_interval[1]:.3f})",
    "{false_positive_rate:.4f} ({false_positive_rate_95_interval[0]:.4f}"
    "–{false_positive_rate_95_interval[1]:.4f})",
)
_LEVELS = """
## Levels

An assay's result is *active* from the cut-off of `call` on, *elevated* from a lower one, else *low*. \
All rates are cross-fitted, with 95 % intervals.{weak}

A molecule is active in {active} assays on average and elevated or active in {elevated_or_active}, \
where the calibrated probabilities expect {expected} and {measured} were measured; each assay counts \
with the molecules that were measured in it.

{table}
"""
_ASSAYS = """
## Assays

{table}
"""
_IMPORTANCE = """\
## What it goes by

By column, how much {figure} is lost out-of-fold when its values are shuffled among the rows of a fold \
(permutation importance). Columns that tell the same share what they matter.

{table}

"""
#: The most columns that are listed.
_MOST_COLUMNS = 30
_INTERVALS = """
## How sure

On request a result has an interval, in which {coverage:.0%} of refits of the whole ensemble with \
other seeds and resampled rows would answer. Half of it is the factor times √((s² + typical²) / 2), on \
the scale of the calibrated logit, where s is the standard deviation of the members' logits times the \
map's slope. It says nothing of errors that all refits share.

{table}
"""


def interval(ends: Sequence[float] | None, within: str, digits: int) -> str:
    """An interval's two ends put into ``within``; empty where an older bundle has none."""
    return "" if ends is None else within.format("–".join(f"{end:.{digits}f}" for end in ends))


def by_round(manifest: Manifest, figure: str) -> str:
    """A figure of each round's networks alone; older versions have no intervals of them."""
    rounds: Any = manifest.metrics[f"{figure}_by_round"]
    intervals: Any = manifest.metrics.get(f"{figure}_by_round_95_interval", [None] * len(rounds))
    told = (interval(one, " ({})", 4) for one in intervals)
    return ", ".join(f"{value:.4f}{one}" for value, one in zip(rounds, told, strict=True))


def decisions(manifest: Manifest) -> str:
    """Return the sections that the manifest has anything for."""
    return _levels(manifest) + _assays(manifest) + _intervals(manifest)


def importance_section(manifest: Manifest) -> str:
    """Return the section on a table's columns; empty where there is none."""
    told: Any = manifest.metrics.get("importance")
    if not told:
        return ""
    rows = [
        (name, f"{loss:+z.4f} ± {spread:.4f}") for name, loss, spread in told["columns"][:_MOST_COLUMNS]
    ]
    rest = len(told["columns"]) - len(rows)
    table = "\n".join(markdown_table(("column", f"loss of {told['figure']} ± sd over folds"), rows))
    more = f"\n\n{rest} more columns lose less." if rest else ""
    return _IMPORTANCE.format(figure=told["figure"], table=table + more)


def part_lines(manifest: Manifest) -> str:
    """Return a line for each part of the rows whose figures are given apart."""
    overall: Any = manifest.metrics["overall"]
    return "".join(
        f"* Of the {part['rows']:,} rows of the {name} set alone, judged likewise: mean AUC"
        f" **{part['mean_auc']:.4f}**; 95 % interval {part['mean_auc_95_interval'][0]:.4f}–"
        f"{part['mean_auc_95_interval'][1]:.4f}.\n"
        for name, part in overall.get("parts", {}).items()
    )


def _levels(manifest: Manifest) -> str:
    if not manifest.are_assays:
        return ""
    figures: Any = manifest.metrics["targets"]
    overall: Any = manifest.metrics["overall"]
    rows, weak = [], []
    for target in manifest.targets:
        own = figures[target.name]
        for level, cut_off, rates in (
            ("active", target.threshold, own),
            ("elevated", target.elevated, own["elevated"]),
        ):
            rows.append(
                (target.name, level, f"{cut_off:.4f}", *(cell.format_map(rates) for cell in _RATES))
            )
        if own["precision"] < ACTIVE_PRECISION:
            weak.append(f"{target.name} {own['precision']:.2f}")
    text = ""
    if weak:
        text = (
            f" Active means a precision of {ACTIVE_PRECISION} or more; below it, as the highest that is"
            f" reached, are {', '.join(weak)}."
        )
    columns = ("assay", "level", "from", "precision", "recall", "FPR")
    table = "\n".join(markdown_table(columns, rows))
    known: Any = overall.get("assays_a_record_95_interval", {})
    counts = {
        name: f"{value:.2f}{interval(known.get(name), ' ({})', 2)}"
        for name, value in overall["assays_a_record"].items()
    }
    return _LEVELS.format_map(counts | {"weak": text, "table": table})


def _assays(manifest: Manifest) -> str:
    figures: Any = manifest.metrics.get("targets", {})
    rows = [
        (
            target.name,
            target.assay.measures,
            target.assay.mode,
            target.assay.cells,
            target.assay.readout,
            f"{figures[target.name]['measured']:,}",
            f"{figures[target.name]['positive']:,}",
            f"[description]({target.assay.source})",
        )
        for target in manifest.targets
        if target.assay is not None
    ]
    if not rows:
        return ""
    columns = ("assay", "measures", "active is", "cells", "readout", "measured", "active", "")
    return _ASSAYS.format(table="\n".join(markdown_table(columns, rows)))


def _intervals(manifest: Manifest) -> str:
    rows = [
        (target.name, f"{target.spread.factor:.2f}", f"{target.slope * target.spread.typical:.3f}")
        for target in manifest.targets
        if target.spread is not None
    ]
    if not rows:
        return ""
    table = "\n".join(markdown_table(("target", "factor", "typical"), rows))
    return _INTERVALS.format(coverage=COVERAGE, table=table)
