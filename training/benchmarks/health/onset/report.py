"""The report's part on delays: after how much traffic a verdict turns and returns, and false alarms."""

import numpy as np
from scipy.stats import beta

from training.benchmarks.harness import Results
from training.benchmarks.health.onset.delay import SIZES
from training.benchmarks.health.tally import mean, rows_of
from training.benchmarks.health.trial import VERDICT_SIZE

#: Faults that nearly all windows of them alone show.
_PLAIN = 0.95


def delay_report(delays: Results, quiet: Results, trials: Results) -> list[str]:
    """Return the Markdown."""
    lines = [
        "## Delay",
        "",
        "A fault begins after 8,192 clean rows, lasts, and ends: median rows (requests) until the"
        " verdict turns, and clean rows until it is back, by the rows of a request. Ten times, in the"
        " two halves of a fold; looked at after every request, or every eight of one row. An asterisk"
        f" marks faults that at least {_PLAIN:.0%} of windows of {VERDICT_SIZE} such rows alone show; a"
        " dash, that the verdict did not turn within 4,096 rows in most trials.",
        "",
    ]
    for model in dict.fromkeys(key[0] for key in delays.rows):
        lines += _of_model(model, delays, trials)
    lines += [
        "### Clean traffic through the scan",
        "",
        "Requests at random; of neighbours or of a client's own mix of classes; with a day's rhythm;"
        " with pauses of 1 s to 2 h.",
        "",
        "| model | order | requests | looks | verdicts turned | largest effect |"
        " 95 % upper bound per million requests |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, order in dict.fromkeys((key[0], key[2]) for key in quiet.rows):
        found = [figures for key, figures in quiet.rows.items() if (key[0], key[2]) == (model, order)]
        lines.append(_line(model, order, found))
    for model in dict.fromkeys(key[0] for key in quiet.rows):
        found = [figures for key, figures in quiet.rows.items() if key[0] == model]
        lines.append(_line(model, "all", found))
    return lines


def _line(model: str, order: str, found: list[dict[str, float]]) -> str:
    requests, looks, turned = (
        sum(figures[name] for figures in found) for name in ("requests", "looks", "turned")
    )
    upper = float(beta.ppf(0.95, turned + 1, max(requests - turned, 1))) * 1e6
    largest = max(figures["largest"] for figures in found)
    cells = f"{requests:,.0f} | {looks:,.0f} | {turned:.0f} | {largest:.2f} | {upper:.2f}"
    return f"| {model} | {order} | {cells} |"


def _of_model(model: str, delays: Results, trials: Results) -> list[str]:
    shown = {}
    if any(key[0] == model for key in trials.rows):
        _, rows = rows_of(trials, model)
        shown = {fault: mean(folds, "degraded") for fault, folds in rows.items()}
    lines = [
        f"### {model}: rows (requests) until the verdict turns; rows until it is back",
        "",
        f"| fault | {' | '.join(f'requests of {size}' for size in SIZES)} | origin named |",
        f"|---|{'---|' * len(SIZES)}---|",
    ]
    for group, fault in dict.fromkeys((key[2], key[3]) for key in delays.rows if key[0] == model):
        cells, named = [], []
        for size in SIZES:
            found = [
                figures
                for key, figures in delays.rows.items()
                if (key[0], key[2], key[3], key[4]) == (model, group, fault, str(size))
            ]
            cells.append(_cell(found))
            named += [(one["named input"], one["found"]) for one in found]
        turned = sum(found for _, found in named)
        share = sum(input_ for input_, _ in named) / turned if turned else float("nan")
        right = f"{1 - share if group == 'model' else share:.2f}" if turned else ""
        star = " *" if shown.get((group, fault), 0.0) >= _PLAIN else ""
        lines.append(f"| {group}: {fault}{star} | {' | '.join(cells)} | {right} |")
    return [*lines, ""]


def _cell(found: list[dict[str, float]]) -> str:
    if not found:
        return ""
    rows, requests, back = (
        float(np.median([figures[name] for figures in found]))
        for name in ("rows", "requests", "back rows")
    )
    return f"{rows:.0f} ({requests:.0f}); {back:.0f}" if np.isfinite(rows) else "–"
