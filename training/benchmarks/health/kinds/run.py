"""``benchmark health-kinds``: the faults after clean traffic, and the table of what they were called."""

from scipy.stats import beta

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health.kinds.faults import OF_INPUTS, OF_MODEL
from training.benchmarks.health.kinds.trial import (
    BEFORE,
    KIND_KEYS,
    KINDS,
    ROWS,
    every_fault,
    kind_jobs,
    kind_trials,
)
from training.benchmarks.health.material import Tried, models_tried
from training.benchmarks.health.trial import HALVES, Effort, fit
from training.evaluation.metrics import markdown_table

#: Folds of each model.
_FOLDS = {"htru2": 5, "tox21": 2}


def run(repository: Repository, seeds: int, processes: int, say: Say, *, quick: bool = False) -> str:
    """Return the report on both models' champions; seeds are the report's own.

    ``quick`` tries few faults in one fold of HTRU2, and keeps no results: for tests.
    """
    del seeds
    with models_tried(repository, quick, say) as (base, models):
        results = Results((base if quick else REPORTS) / "health-kinds.csv", KIND_KEYS, KINDS)
        for model in models:
            _one_model(model, repository, results, processes, say, quick)
        return kinds_report(results)


def _one_model(
    model: Tried, repository: Repository, results: Results, processes: int, say: Say, quick: bool
) -> None:
    folds = model.folds[: 1 if quick else _FOLDS[model.name]]
    faults = list(every_fault(str(repository.root), model.name).values())
    same = model.same | {"repository": str(repository.root)}
    jobs = kind_jobs(same, faults[:: 16 if quick else 1], folds)
    if any(results.get(job) is None for job in jobs):
        for fold in folds:
            say(f"{model.name}: fitting the monitors to the halves of fold {fold}")
            for half in HALVES:
                fit(model.folder, fold, half, Effort(20, 10, 10, 20))
    run_missing(results, jobs, kind_trials, processes, say)


def kinds_report(results: Results) -> str:
    """Return the Markdown."""
    lines = [
        "# What a fault is called",
        "",
        f"A fault begins after {BEFORE:,} clean rows and has {ROWS} rows, in requests of one row and of"
        " 64; one of the inputs by single rows begins amid a block. Held-out rows of halves of folds, by"
        " members that never saw them. *Turned*: the verdict turned within these rows. Of those: *kind*"
        " is named rightly after them, and so is the *place*"
        " (all columns, the layer); the *wrong one* of inputs and model was named, at any look since the"
        " verdict turned and after the last row, with the upper 95 % bound of its probability. Columns"
        " are each of the candidates' eight, and each pair of them; molecules have none that a client"
        " could mix up. *Stale* are networks trained on other folds; a layer is × 0.5, 0.8, 1.25, 1.5"
        " and 2 in all members.",
        "",
    ]
    for model, bundle in dict.fromkeys(key[:2] for key in results.rows):
        lines += [f"## {model} (model {bundle})", ""]
        columns = ("kind", "rows of a request", "faults", "trials", "turned", "kind", "place",
                   "wrong one at any look", "wrong one after 256 rows", "bound")  # fmt: skip
        lines += [*markdown_table(columns, _lines(results, model, bundle)), ""]
        lines += _weakest(results, model, bundle)
    return "\n".join(lines)


def _lines(results: Results, model: str, bundle: str) -> list[tuple[str, ...]]:
    lines = []
    for kind in (*OF_INPUTS, *OF_MODEL, "all of the inputs", "all of the model"):
        kinds = {"all of the inputs": OF_INPUTS, "all of the model": OF_MODEL}.get(kind, (kind,))
        sizes = ("1", "64") if len(kinds) == 1 else ("1 and 64",)
        for size in sizes:
            found = [
                figures for key, figures in results.rows.items()
                if key[:2] == (model, bundle) and key[2] in kinds and key[4] in size.split(" and ")
            ]  # fmt: skip
            if found:
                lines.append((kind, size, str(len(found)), *_cells(found)))
    return lines


def _cells(found: list[dict[str, float]]) -> tuple[str, ...]:
    sums = {name: sum(figures[name] for figures in found) for name in KINDS}
    turned = sums["turned"]
    if not turned:
        return f"{sums['trials']:.0f}", "0", *[""] * 5
    wrong = sums["origin"]
    bound = float(beta.ppf(0.95, wrong + 1, turned - wrong)) if wrong < turned else 1.0
    return (
        f"{sums['trials']:.0f}",
        f"{turned:.0f}",
        f"{sums['right'] / turned:.3f}",
        f"{sums['place'] / turned:.3f}",
        f"{sums['origin ever']:.0f}",
        f"{wrong:.0f}",
        f"{100 * bound:.2f} %",
    )


def _weakest(results: Results, model: str, bundle: str) -> list[str]:
    """The faults whose kind is named least often."""
    sums: dict[tuple[str, str], tuple[float, float]] = {}
    for key, figures in results.rows.items():
        if key[:2] == (model, bundle):
            right, turned = sums.get((key[2], key[3]), (0.0, 0.0))
            sums[key[2], key[3]] = right + figures["right"], turned + figures["turned"]
    shares = sorted((right / turned, *fault) for fault, (right, turned) in sums.items() if turned)
    weak = [f"{kind}: {name} ({share:.2f})" for share, kind, name in shares[:8] if share < 0.9]
    return [f"Least often named: {'; '.join(weak)}.", ""] if weak else []
