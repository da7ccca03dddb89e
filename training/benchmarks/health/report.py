"""The report of ``benchmark health``: detection rates by fault, groups against rivals, clean traffic."""

from pathlib import Path

import numpy as np
from scipy.stats import beta

from models.health.effect_size import DEGRADED_AT, UNHEALTHY_AT
from models.health.sequential import DELTA, REQUESTS_PER_FALSE_ALARM
from training.benchmarks.harness import Results
from training.benchmarks.health.faults import CLEAN, MILD
from training.benchmarks.health.monitors import MONITORS, OURS, RIVALS
from training.benchmarks.health.tally import (
    GROUPS,
    ORIGINS,
    Rows,
    Z,
    best_lead,
    group_mean,
    mean,
    named_rightly,
    rightly,
    rows_of,
    streamed,
)
from training.benchmarks.health.trial import SIZES, VERDICT_SIZE, Effort


def report(trials: Results, streams: Results, figure: Path, effort: Effort) -> str:
    """Return the Markdown; the figure is written beside it."""
    lines = [
        "# Activation health: which faults it finds, and how often it raises false alarms",
        "",
        f"Detection rates at 1 % false alarms for windows of {', '.join(map(str, SIZES))} rows."
        " Detectors are fitted to half of a fold's rows (the members' own held-out ones) and the other"
        " folds' inputs, tried on the other half, and their cut-offs are learned from the other"
        " folds' clean"
        f" windows. A cell is the mean over five folds and two halves of {effort.windows} windows each,"
        f" drawn with replacement; KS by feature has {effort.few}, its distribution compared at eight"
        " steps where there are more than 100 features; MMD is by 256 random features. The line `clean`"
        " is what became of 1 %. The verdict, its effect (the largest shift less what chance may"
        " contribute, and as estimated, in standard deviations of the reference rows) and the origin"
        f" that it names are the service's own, on {2 * effort.verdicts} windows of each fold.",
        "",
    ]
    by_model = {model: rows_of(trials, model) for model in dict.fromkeys(key[0] for key in trials.rows)}
    lines += _in_short(by_model, streams)
    for model, (bundle, rows) in by_model.items():
        lines += _of_model(model, bundle, rows)
    lines += _clean(streams)
    draw(by_model, figure)
    lines += ["", f"![Mean detection rate by group and window]({figure.name})"]
    return "\n".join(lines)


def _in_short(by_model: dict[str, tuple[str, Rows]], streams: Results) -> list[str]:
    """The most important figures of each model, one column per model."""
    lines = [
        "## In short",
        "",
        f"| | {' | '.join(by_model)} |",
        f"|---|{'---|' * len(by_model)}",
    ]
    table: dict[str, list[str]] = {}

    def line(name: str, cell: str) -> None:
        table.setdefault(name, []).append(cell)

    for model, (bundle, rows) in by_model.items():
        for group in GROUPS:
            name = f"{group}: mean detection at {' / '.join(map(str, SIZES))} rows"
            line(name, " / ".join(f"{group_mean(rows, group, size):.2f}" for size in SIZES))
        for group in GROUPS:
            leads = [best_lead(rows, group, size) for size in SIZES]
            cell = " / ".join(f"{lead:+.2f} ({bound:+.2f})" for lead, bound, _ in leads)
            line(f"{group}: best rival less ours (bound)", cell)
        for of, groups in ORIGINS.items():
            named = named_rightly(rows, groups)
            worst = min(named, key=lambda fault: named[fault], default=None)
            text = "–"
            if worst is not None:
                text = f"{np.mean(list(named.values())):.3f} ({named[worst]:.2f}, {worst[1]})"
            line(f"origin named rightly, faults {of} (lowest)", text)
        for group, what in ((CLEAN, "clean windows"), (MILD, "mild shift")):
            folds = [figures for (own, _), part in rows.items() if own == group for figures in part]
            turned = "–"
            if folds:
                largest = max(figures["largest estimate"] for figures in folds)
                turned = f"{mean(folds, 'degraded'):.3f}, {largest:.2f}"
            line(f"{what} of {VERDICT_SIZE} rows: degraded, largest shift", turned)
        total = streamed(streams, model, bundle)
        line(
            "clean streams: rows; windows degraded, unhealthy; sequential false alarms",
            f"{total.get('rows', 0):,.0f}; {total.get('degraded', 0):.0f},"
            f" {total.get('unhealthy', 0):.0f}; {total.get('sequential alarms', 0):.0f}",
        )
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in table.items()]
    return [*lines, ""]


def _of_model(model: str, bundle: str, rows: Rows) -> list[str]:
    lines = [f"## {model} (model {bundle})", "", "### By fault: " + OURS, ""]
    lines += [
        f"| fault | {OURS} | layers alone | inputs alone | best rival at {VERDICT_SIZE} |"
        f" verdict at {VERDICT_SIZE}: degraded, unhealthy | effect (estimate) | origin named |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (group, fault), folds in rows.items():
        ours, layers, inputs = (_rates(folds, name) for name in MONITORS[:3])
        rival = max(RIVALS, key=lambda name: mean(folds, f"{name} {VERDICT_SIZE}"))
        best = f"{rival} {mean(folds, f'{rival} {VERDICT_SIZE}'):.2f}"
        verdict = f"{mean(folds, 'degraded'):.2f}, {mean(folds, 'unhealthy'):.2f}"
        named = rightly(group, folds)
        shown = "" if named is None else f"{named:.2f}"
        lines.append(
            f"| {group}: {fault} | {ours} | {layers} | {inputs} | {best} | {verdict} |"
            f" {mean(folds, 'effect'):.2f} ({mean(folds, 'estimate'):.2f}) | {shown} |"
        )
    lines += ["", "### By group, against what is used today", ""]
    lines += [f"| monitor | {' | '.join(GROUPS)} |", f"|---|{'---|' * len(GROUPS)}"]
    for name in MONITORS:
        cells = [
            " ".join(f"{group_mean(rows, group, size, name):.2f}" for size in SIZES) for group in GROUPS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", *_against(rows), ""]
    return lines


def _against(rows: Rows) -> list[str]:
    """By how much the best rival leads in a group's mean, with a simultaneous 95 % bound."""
    lines = [
        "Best rival less ours in the group's mean (largest simultaneous 95 % upper bound over rivals,"
        f" groups and sizes, z = {Z:.2f}, over folds):",
        "",
        f"| group | {' | '.join(f'{size} rows' for size in SIZES)} |",
        f"|---|{'---|' * len(SIZES)}",
    ]
    for group in GROUPS:
        leads = [best_lead(rows, group, size) for size in SIZES]
        cells = [f"{lead:+.2f} ({bound:+.2f}) {rival}" for lead, bound, rival in leads]
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
        seeds = [
            figures
            for key, figures in streams.rows.items()
            if (key[0], key[1], key[2]) == (model, latest, order)
        ]
        total = {name: sum(figures[name] for figures in seeds) for name in seeds[0]}
        alarms = total["sequential alarms"]
        upper = float(beta.ppf(0.95, alarms + 1, max(total["rows"] - alarms, 1))) * 1e6
        lines.append(
            f"| {model} | {order} | {len(seeds)} | {total['rows']:,.0f} |"
            f" {total['degraded']:.0f} of {total['windows']:.0f} | {total['unhealthy']:.0f} |"
            f" {alarms:.0f} | {upper:.2f} |"
        )
    return lines


def draw(by_model: dict[str, tuple[str, Rows]], path: Path) -> None:
    """Draw each monitor's mean rate by window size, a panel per model and group."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    models = list(by_model)
    figure, axes = plt.subplots(
        len(models), len(GROUPS), figsize=(11, 3.2 * len(models)), squeeze=False, sharey=True
    )
    for line, model in zip(axes, models, strict=True):
        for panel, group in zip(line, GROUPS, strict=True):
            rows = [
                figures
                for (own, _), folds in by_model[model][1].items()
                if own == group
                for figures in folds
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


def _rates(folds: list[dict[str, float]], monitor: str) -> str:
    return " ".join(f"{mean(folds, f'{monitor} {size}'):.2f}" for size in SIZES)
