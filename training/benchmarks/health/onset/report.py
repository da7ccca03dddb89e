"""The report on delays: after how much traffic a verdict turns and returns, and false alarms."""

import numpy as np
from scipy.stats import beta

from training.benchmarks.harness import Results
from training.benchmarks.health.onset.delay import BEFORE, FAULTY
from training.benchmarks.health.onset.rivals import RIVAL_SIZES, RIVALS, RUN_LENGTH
from training.benchmarks.health.onset.traffic import PER_SECOND, SIZES
from training.benchmarks.health.tally import mean, rows_of
from training.benchmarks.health.trial import VERDICT_SIZE

#: Faults that nearly all windows of them alone show.
_PLAIN = 0.95


def delay_report(delays: Results, quiet: Results, rivals: Results, trials: Results) -> str:
    """Return the Markdown."""
    speeds = ", ".join(f"{PER_SECOND[size]:g} of {size}" for size in SIZES)
    most = ", ".join(f"{FAULTY[size]:,}" for size in SIZES)
    lines = [
        "# How soon activation health sees a fault",
        "",
        f"A fault begins after {BEFORE:,} clean rows, lasts, and ends. A cell has the median rows"
        " (requests) and seconds until the verdict turns, then the clean rows and seconds until it is"
        " back. Requests a second, by their rows: " + speeds + ". It is looked at after every request,"
        " or every eight of one row; a service looks once a second. Held-out rows of one fold, by"
        " members that never saw them. An asterisk marks faults that at least"
        f" {_PLAIN:.0%} of windows of {VERDICT_SIZE} such rows alone show; a dash, that the verdict did"
        f" not turn within {most} rows in most trials.",
        "",
    ]
    for model in dict.fromkeys(key[0] for key in delays.rows):
        lines += _of_model(model, delays, trials)
    lines += _beside(delays, quiet, rivals)
    lines += [
        "## Clean traffic through the scan",
        "",
        "Requests at random; of neighbours or of a client's own mix of classes; with a day's rhythm;"
        " with pauses of 1 s to 2 h.",
        "",
        "| model | order | requests | looks | verdicts turned | largest effect |"
        " 95 % upper bound per million requests |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in dict.fromkeys(key[0] for key in quiet.rows):
        own = _clean(model, quiet)
        for order in dict.fromkeys(key[0] for key in own):
            found = [figures for key, figures in own.items() if key[0] == order]
            lines.append(_line(model, order, found))
        lines.append(_line(model, "all", list(own.values())))
    return "\n".join(lines)


def _clean(model: str, quiet: Results) -> dict[tuple[str, ...], dict[str, float]]:
    """What clean traffic gave with the latest bundle of a model, by order, size and seed."""
    bundles = [key[1] for key in quiet.rows if key[0] == model]
    return {key[2:]: found for key, found in quiet.rows.items() if key[:2] == (model, bundles[-1])}


def _line(model: str, order: str, found: list[dict[str, float]]) -> str:
    requests, looks, turned = (
        sum(figures[name] for figures in found) for name in ("requests", "looks", "turned")
    )
    upper = float(beta.ppf(0.95, turned + 1, max(requests - turned, 1))) * 1e6
    largest = max(figures["largest"] for figures in found)
    cells = f"{requests:,.0f} | {looks:,.0f} | {turned:.0f} | {largest:.2f} | {upper:.2f}"
    return f"| {model} | {order} | {cells} |"


def _of_model(model: str, delays: Results, trials: Results) -> list[str]:
    bundle, own = _latest(model, delays)
    shown = {}
    if any(key[0] == model for key in trials.rows):
        _, rows = rows_of(trials, model)
        shown = {fault: mean(folds, "degraded") for fault, folds in rows.items()}
    times = max(figures["times"] for figures in own.values())
    sizes = [size for size in SIZES if any(key[2] == str(size) for key in own)]
    lines = [
        f"## {model} (model {bundle}), {times:.0f} onsets of each fault",
        "",
        f"| fault | {' | '.join(f'requests of {size}' for size in sizes)} | origin named |",
        f"|---|{'---|' * len(sizes)}---|",
    ]
    for group, fault in dict.fromkeys(key[:2] for key in own):
        found = [own.get((group, fault, str(size))) for size in sizes]
        named = [(one["named input"], one["found"]) for one in found if one is not None]
        turned = sum(share for _, share in named)
        share = sum(input_ for input_, _ in named) / turned if turned else float("nan")
        right = f"{1 - share if group == 'model' else share:.2f}" if turned else ""
        star = " *" if shown.get((group, fault), 0.0) >= _PLAIN else ""
        cells = " | ".join(_cell(one) for one in found)
        lines.append(f"| {group}: {fault}{star} | {cells} | {right} |")
    return [*lines, ""]


def _latest(model: str, results: Results) -> tuple[str, dict[tuple[str, ...], dict[str, float]]]:
    """The latest bundle of a model that was tried, and its figures by the rest of their keys."""
    bundle = [key[1] for key in results.rows if key[0] == model][-1]
    return bundle, {key[2:5]: found for key, found in results.rows.items() if key[:2] == (model, bundle)}


def _cell(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    if not np.isfinite(found["rows"]):
        return "–"
    back = "–" if not np.isfinite(found["back rows"]) else _amount(found, "back rows", "back seconds")
    requests = f"{found['rows']:.0f} ({found['requests']:.0f})"
    return f"{requests}, {found['seconds']:.2g} s; {back}"


def _amount(found: dict[str, float], rows: str, seconds: str) -> str:
    return f"{found[rows]:.0f}, {found[seconds]:.2g} s"


def _beside(delays: Results, quiet: Results, rivals: Results) -> list[str]:
    """The delays of other detectors beside the verdict's, in requests."""
    if not rivals.rows:
        return []
    model = next(reversed(rivals.rows))[0]
    bundle, own = _latest(model, delays)
    clean = _clean(model, quiet) if any(key[0] == model for key in quiet.rows) else {}
    alarms, requests = (sum(one[name] for one in clean.values()) for name in ("turned", "requests"))
    seen = f"{alarms:.0f} in {requests:,.0f}"
    heads = [f"{name}, {size}" for size in RIVAL_SIZES for name in ("verdict", *RIVALS)]
    lines = [
        f"## Beside other detectors: {model} (model {bundle})",
        "",
        "Median requests until the alarm, by the rows of a request; the share of onsets that it found,"
        " where that is below 1. Page-Hinkley, ADWIN and KSWIN are river's, one for each input and logit"
        " (in standard scores), fed a request's mean at a time, and the first alarm of any counts;"
        " windowed KS compares the latest 256 rows of each with the clean distribution. Their cut-offs"
        f" give at most one false alarm in {RUN_LENGTH:,} clean requests (ADWIN's δ is at most 0.1,"
        " KSWIN's level is by its own p-values). The verdict keeps its own, which gave"
        f" {seen} requests of all sizes: it is compared at about a hundredth of their false alarms.",
        "",
        f"| fault | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
    ]
    found = {key[2:]: figures for key, figures in rivals.rows.items() if key[:2] == (model, bundle)}
    for group, fault in dict.fromkeys(key[:2] for key in own):
        cells = []
        for size in map(str, RIVAL_SIZES):
            cells.append(_delay(own.get((group, fault, size))))
            cells += [_delay(found.get((name, group, fault, size))) for name in RIVALS]
        lines.append(f"| {group}: {fault} | {' | '.join(cells)} |")
    cells = []
    for size in map(str, RIVAL_SIZES):
        cells.append(seen)
        for name in RIVALS:
            some = next((one for key, one in found.items() if (key[0], key[3]) == (name, size)), None)
            cells.append(_alarms(some))
    return [*lines, f"| clean: false alarms | {' | '.join(cells)} |", ""]


def _alarms(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    if not found["clean requests"]:
        return "by its p-values"
    return f"{found['false alarms']:.0f} in {found['clean requests']:,.0f}"


def _delay(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    share = "" if found["found"] == 1 else f" ({found['found']:.1f})"
    return ("–" if not np.isfinite(found["requests"]) else f"{found['requests']:.0f}") + share
