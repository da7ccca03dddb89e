"""The report of ``benchmark health``: detection rates by fault, groups against rivals, clean traffic."""

from pathlib import Path

import numpy as np
from scipy.stats import beta, norm

from models.effect import DEGRADED_AT, UNHEALTHY_AT
from models.sequential import DELTA, REQUESTS_PER_FALSE_ALARM
from training.benchmarks.health.faults import CLEAN, DATA, MODEL, POPULATION, SHIFTED
from training.benchmarks.health.monitors import MONITORS, OURS, RIVALS
from training.benchmarks.health.trial import SIZES, VERDICT_SIZE, Effort
from training.benchmarks.results import Results

_GROUPS = (DATA, POPULATION, MODEL)


def report(trials: Results, streams: Results, figure: Path, effort: Effort) -> str:
    """Return the Markdown; the figure is written beside it."""
    lines = [
        "# Activation health: what it finds, and how seldom it cries wolf",
        "",
        f"Detection rates at 1 % false alarms for windows of {', '.join(map(str, SIZES))} rows."
        " Detectors are fitted to half of a fold's rows (the members' own held-out ones) and the other"
        " folds' inputs, tried on the other half, and their cut-offs are learned from the other"
        " folds' clean"
        f" windows. A cell is the mean over five folds and two halves of {effort.windows} windows each,"
        f" drawn with replacement; KS by feature has {effort.few}, its distribution compared at eight"
        " steps where there are more than 100 features; MMD is by 256 random features. The line `clean`"
        " is what became of 1 %.",
        "",
    ]
    for model in dict.fromkeys(key[0] for key in trials.rows):
        lines += _of_model(trials, model, effort)
    lines += _clean(streams)
    draw(trials, figure)
    lines += ["", f"![Mean detection rate by group and window]({figure.name})"]
    return "\n".join(lines)


def _of_model(trials: Results, model: str, effort: Effort) -> list[str]:
    latest = [key[1] for key in trials.rows if key[0] == model][-1]
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    for key, figures in trials.rows.items():
        if key[:2] == (model, latest):
            rows.setdefault((key[2], key[3]), []).append(figures)
    lines = [f"## {model} (model {latest})", "", "### By fault: " + OURS, ""]
    lines += [
        f"| fault | {OURS} | layers alone | inputs alone | best rival at {VERDICT_SIZE} |"
        f" verdict at {VERDICT_SIZE}: degraded, unhealthy | origin named |",
        "|---|---|---|---|---|---|---|",
    ]
    for (group, fault), found in rows.items():
        ours, layers, inputs = (_rates(found, name) for name in MONITORS[:3])
        rival = max(RIVALS, key=lambda name: _mean(found, f"{name} {VERDICT_SIZE}"))
        best = f"{rival} {_mean(found, f'{rival} {VERDICT_SIZE}'):.2f}"
        verdict = f"{_mean(found, 'degraded'):.2f}, {_mean(found, 'unhealthy'):.2f}"
        named = _named(group, found)
        shown = "" if named is None else f"{named:.2f}"
        lines.append(
            f"| {group}: {fault} | {ours} | {layers} | {inputs} | {best} | {verdict} | {shown} |"
        )
    lines += ["", "### By group, against what is used today", ""]
    lines += [f"| monitor | {' | '.join(_GROUPS)} |", f"|---|{'---|' * len(_GROUPS)}"]
    for name in MONITORS:
        cells = [
            " ".join(f"{np.mean(_of_group(rows, group, f'{name} {size}')):.2f}" for size in SIZES)
            for group in _GROUPS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", *_against(rows), ""]
    lines += _origins(rows, "of data and model", (DATA, MODEL))
    lines += _origins(rows, "of a model whose traffic has moved mildly as well", (SHIFTED,))
    return lines


def _origins(
    rows: dict[tuple[str, str], list[dict[str, float]]], of: str, groups: tuple[str, ...]
) -> list[str]:
    """How often the origin was named rightly in some groups; nothing where no verdict turned."""
    by_fault = {fault: _named(fault[0], found) for fault, found in rows.items() if fault[0] in groups}
    known = {fault: share for fault, share in by_fault.items() if share is not None}
    if not known:
        return []
    worst = min(known, key=lambda fault: known[fault])
    # A trial's figures are means over its two halves.
    windows = 2 * sum(one["flagged"] for fault in known for one in rows[fault])
    return [
        f"Origin named rightly, mean over the faults {of} that turn the verdict:"
        f" {np.mean(list(known.values())):.3f} (lowest {known[worst]:.2f}, {worst[1]};"
        f" {windows:.0f} windows).",
        "",
    ]


def _against(rows: dict[tuple[str, str], list[dict[str, float]]]) -> list[str]:
    """By how much the best rival leads in a group's mean, with a simultaneous 95 % bound."""
    comparisons = len(RIVALS) * len(_GROUPS) * len(SIZES)
    z = float(norm.ppf(1 - 0.05 / comparisons))
    lines = [
        "Best rival less ours in the group's mean (largest simultaneous 95 % upper bound over rivals,"
        f" groups and sizes, z = {z:.2f}, over folds):",
        "",
        f"| group | {' | '.join(f'{size} rows' for size in SIZES)} |",
        f"|---|{'---|' * len(SIZES)}",
    ]
    for group in _GROUPS:
        cells = []
        for size in SIZES:
            bounds = []
            for rival in RIVALS:
                gaps = _by_fold(rows, group, f"{rival} {size}") - _by_fold(rows, group, f"{OURS} {size}")
                error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
                bounds.append((float(gaps.mean()), float(gaps.mean() + z * error), rival))
            lead, _, rival = max(bounds)
            cells.append(f"{lead:+.2f} ({max(bound for _, bound, _ in bounds):+.2f}) {rival}")
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return lines


def _clean(streams: Results) -> list[str]:
    lines = [
        "## Clean traffic",
        "",
        "Held-out rows, in windows of 1,000, in random order and in requests of 20 alike rows"
        f" (neighbours along the inputs' leading direction). Verdict: degraded from {DEGRADED_AT},"
        f" unhealthy from {UNHEALTHY_AT} standard deviations; sequential: null up to {DELTA}, at most"
        f" one false alarm in {REQUESTS_PER_FALSE_ALARM:,} requests.",
        "",
        "| model | order | seeds | rows | windows degraded | unhealthy | sequential false alarms |"
        " 95 % upper bound per million rows |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = dict.fromkeys((key[0], key[2]) for key in streams.rows)
    for model, order in names:
        latest = [key[1] for key in streams.rows if key[0] == model][-1]
        found = [
            figures
            for key, figures in streams.rows.items()
            if (key[0], key[1], key[2]) == (model, latest, order)
        ]
        total = {name: sum(one[name] for one in found) for name in found[0]}
        alarms = total["sequential alarms"]
        upper = float(beta.ppf(0.95, alarms + 1, max(total["rows"] - alarms, 1))) * 1e6
        lines.append(
            f"| {model} | {order} | {len(found)} | {total['rows']:,.0f} |"
            f" {total['degraded']:.0f} of {total['windows']:.0f} | {total['unhealthy']:.0f} |"
            f" {alarms:.0f} | {upper:.2f} |"
        )
    return lines


def draw(trials: Results, path: Path) -> None:
    """Draw each monitor's mean rate by window size, a panel per model and group."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    models = list(dict.fromkeys(key[0] for key in trials.rows))
    figure, axes = plt.subplots(
        len(models), len(_GROUPS), figsize=(11, 3.2 * len(models)), squeeze=False, sharey=True
    )
    for line, model in zip(axes, models, strict=True):
        for panel, group in zip(line, _GROUPS, strict=True):
            rows = [
                figures for key, figures in trials.rows.items() if (key[0], key[2]) == (model, group)
            ]
            for name in (OURS, *RIVALS) if rows else ():
                rates = [np.mean([row[f"{name} {size}"] for row in rows]) for size in SIZES]
                width = 2.5 if name == OURS else 1.0
                panel.plot(range(len(SIZES)), rates, label=name, linewidth=width, marker="o", ms=3)
            panel.set_title(f"{model}: {group}", fontsize=10)
            panel.set_xticks(range(len(SIZES)), [str(size) for size in SIZES])
            panel.set_xlabel("rows in the window")
            panel.set_ylim(0, 1.02)
        line[0].set_ylabel("detected at 1 % false alarms")
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "health"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _mean(found: list[dict[str, float]], name: str) -> float:
    return float(np.mean([one[name] for one in found]))


def _rates(found: list[dict[str, float]], monitor: str) -> str:
    return " ".join(f"{_mean(found, f'{monitor} {size}'):.2f}" for size in SIZES)


def _named(group: str, found: list[dict[str, float]]) -> float | None:
    """How often the origin was right among the windows whose verdict turned; None where none did."""
    turned = np.array([one["flagged"] for one in found])
    if group == CLEAN or not turned.sum():
        return None
    share = float(sum(one["named input"] for one in found) / turned.sum())
    return 1 - share if group in (MODEL, SHIFTED) else share


def _of_group(rows: dict[tuple[str, str], list[dict[str, float]]], group: str, name: str) -> list[float]:
    return [_mean(found, name) for (own, _), found in rows.items() if own == group] or [float("nan")]


def _by_fold(rows: dict[tuple[str, str], list[dict[str, float]]], group: str, name: str) -> np.ndarray:
    """A group's mean rate in each fold."""
    of_group = [[one[name] for one in found] for (own, _), found in rows.items() if own == group]
    shortest = min((len(one) for one in of_group), default=0)
    if not shortest:
        return np.array([0.0])
    return np.asarray(np.mean([one[:shortest] for one in of_group], axis=0))
