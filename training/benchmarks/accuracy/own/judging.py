"""Train own tables as the command does: publish, let the gate judge, promote, and score by the service.

Named tables take the default recipe, and their figures stand beside simple methods' on the same folds.
All tables of the UCI collection take a short recipe: what is counted of them is how many get through.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler, TargetEncoder

from models.registry.store import Repository
from training.benchmarks.accuracy.own.cases import CASES, write_case
from training.benchmarks.accuracy.tables import figure
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data import Dataset, load_table
from training.data.official.uci import members
from training.errors import TrainingError
from training.evaluation.metrics import markdown_table
from training.pipeline.run import finish, fit
from training.recipes.overrides import override
from training.recipes.table import table_recipe
from training.release.releasing import release

Array = NDArray[np.floating]

DEFAULT, SHORT = "default", "short"
_RIVALS = ("logistic", "boosting")
_FIGURES = ("rows", "snn", *_RIVALS, "stage", "seconds")
#: What became of a table: the number is that of the first step that failed, 0 if none did.
STAGES = ("served", "not read", "not trained", "held back by the gate", "not scored")
#: Of few rows that many epochs, of many a few: enough to learn something, and soon done.
_SHORT_EPOCHS, _SHORT_STEPS = 4, 150
#: A fit of more rows takes too long.
_MOST_ROWS = 70_000
_SCORED = 200
#: How far below the best rival a figure may be.
_NEAR = 0.01


def run(_repository: Repository, _seeds: int, processes: int, say: Say) -> str:
    """Return both reports; tables that are not done are run, and the seed is 0."""
    results = Results(REPORTS / "own.csv", ("set", "recipe"), _FIGURES)
    reasons = REPORTS / "own.json"
    jobs = [{"set": name, "recipe": DEFAULT, "reasons": str(reasons)} for name in CASES]
    jobs += [{"set": name, "recipe": SHORT, "reasons": str(reasons)} for name in members()]
    run_missing(results, jobs, judged, processes, say)
    return report(results, json.loads(reasons.read_text()) if reasons.exists() else {})


def judged(job: Mapping[str, Any]) -> dict[str, float]:
    """Take one table as far as it gets; the reason where that is not far is kept in ``reasons``."""
    name, short = job["set"], job["recipe"] == SHORT
    figures = dict.fromkeys(_FIGURES, float("nan"))
    began = process_time()
    with tempfile.TemporaryDirectory() as temporary:
        folder, model = Path(temporary), "own-table"
        path = folder / "table.csv"
        reading = write_case(path, name)
        stage, reason = 1, ""
        try:
            dataset = load_table(model, path, reading)
            figures["rows"] = len(dataset)
            if short and len(dataset) > _MOST_ROWS:
                raise TrainingError(f"{len(dataset):,} rows, of which a fit takes too long here")
            stage = 2
            figures["snn"], promoted, reason = _released(dataset, folder, short=short)
            stage = 3 if not promoted else 4
            if promoted and not (reason := _scored(path, folder)):
                stage = 0
        except TrainingError as error:
            reason = str(error)
        figures |= {"stage": stage, "seconds": process_time() - began}
        if stage != 1 and not short:
            figures |= {rival: figure(dataset, *_held_out(dataset, rival)) for rival in _RIVALS}
    if stage:
        _keep(Path(job["reasons"]), f"{name}, {job['recipe']}", reason)
    return figures


def _released(dataset: Dataset, folder: Path, *, short: bool) -> tuple[float, bool, str]:
    """The figure out-of-fold, whether the version was promoted, and the gate's reason."""
    recipe = table_recipe(dataset)
    if short:
        steps = -(-_SHORT_STEPS * recipe.networks[0].batch_size // len(dataset))
        epochs = {"epochs": max(_SHORT_EPOCHS, steps)}
        recipe = override(recipe, epochs, "A short recipe, by which only the way is tried.")
    began = time.monotonic()
    fitted = fit(dataset, recipe, recipe.rounds, 0, lambda _: None, lambda *_: None, processes=1)
    trained = finish(fitted, recipe, 0, began, lambda _: None)
    released = release(trained, Repository(folder / "models"), folder / "state", "auto")
    value = figure(dataset, fitted.out_of_fold, np.arange(len(dataset)))
    return value, released.promoted, released.reason


def _scored(path: Path, folder: Path) -> str:
    """Score the table's first rows by the service's command; what it says if it fails, or of a row."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line, _ in zip(csv.reader(file), range(_SCORED + 1), strict=False)]
    few = folder / "few.csv"
    with few.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    command = [sys.executable, "-m", "service", "score", str(few), "--model", "own-table", "--quiet"]
    made = folder / "scored.csv"
    environment = {"SNN_MODELS": str(folder / "models"), "SNN_STATE": str(folder / "state")}
    done = subprocess.run(  # noqa: S603
        [*command, "--output", str(made), "--workers", "1"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    with made.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = [row["error"] for row in rows if row.get("error")]
    return wrong[0] if wrong else "" if len(rows) == len(lines) - 1 else "rows are missing"


def _held_out(dataset: Dataset, rival: str) -> tuple[Array, NDArray[np.intp]]:
    """Out-of-fold scores ``(n, T)`` of a rival, and all rows; categories by their targets' means."""
    entries: Any = dataset.parameters["columns"]
    columns = list(zip(*dataset.records, strict=True))
    texts = [at for at, entry in enumerate(entries) if entry["kind"] == "category"]
    numbers = np.array(
        [[np.nan if v is None else float(v) for v in values] for at, values in enumerate(columns)
         if at not in texts]
    ).reshape(-1, len(dataset)).T  # fmt: skip
    words = np.array([[str(v) for v in columns[at]] for at in texts], dtype=object)
    words = words.reshape(-1, len(dataset)).T
    labels = dataset.labels.argmax(axis=1) if dataset.exclusive else dataset.labels[:, 0].astype(int)
    scores = np.empty(dataset.labels.shape)
    for fold in np.unique(dataset.folds):
        held = dataset.folds == fold
        parts = [numbers[~held]], [numbers[held]]
        if texts:
            encoder = TargetEncoder(random_state=0)
            parts[0].append(encoder.fit_transform(words[~held], labels[~held]))
            parts[1].append(encoder.transform(words[held]))
        learn, judge = (np.concatenate(part, axis=1) for part in parts)
        if rival == "logistic":
            scaler = StandardScaler().fit(learn)
            learn, judge = (np.nan_to_num(scaler.transform(part)) for part in (learn, judge))
            model: Any = LogisticRegression(max_iter=1000)
        else:
            model = HistGradientBoostingClassifier(random_state=0)
        probability = model.fit(learn, labels[~held]).predict_proba(judge)
        scores[held] = probability if dataset.exclusive else probability[:, 1:]
    return scores, np.arange(len(dataset))


def _keep(path: Path, name: str, reason: str) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: reason}, indent=1, sort_keys=True) + "\n")


def report(results: Results, reasons: Mapping[str, str]) -> str:
    """Both tables: figures by the default recipe, and how far all tables got by the short one."""
    named = [(name, row) for name in CASES if (row := results.rows.get((name, DEFAULT)))]
    lines = [
        "Own tables by the default recipe, seed 0, out-of-fold: AUC of two classes, accuracy of more."
        f" The goal: served, and no more than {_NEAR} below the better of the two simple methods",
        "",
    ]
    lines += markdown_table(
        ("table", "rows", "SNN", "logistic regression", "boosting", "became", "seconds", "goal"),
        [_row(name, row) for name, row in named],
    )
    done = {name: row for (name, recipe), row in results.rows.items() if recipe == SHORT}
    counts = [sum(row["stage"] == stage for row in done.values()) for stage in range(len(STAGES))]
    lines += ["", f"{len(done)} of {len(members())} tables of the UCI collection, a short recipe:", ""]
    lines += markdown_table(("became", "tables"), list(zip(STAGES, counts, strict=True)))
    read = len(done) - counts[1]
    if read:
        lines += ["", f"Of {read} that were read, {counts[0] / read:.1%} were served."]
    lines += ["", *(f"* {name}: {reason}" for name, reason in sorted(reasons.items()))]
    return "\n".join(lines)


def _row(name: str, row: Mapping[str, float]) -> tuple[object, ...]:
    best = max(row[rival] for rival in _RIVALS)
    met = row["stage"] == 0 and row["snn"] >= best - _NEAR
    figures = (f"{row[method]:.4f}" for method in ("snn", *_RIVALS))
    became = STAGES[int(row["stage"])]
    seconds = f"{row['seconds']:.0f}"
    return (name, f"{row['rows']:,.0f}", *figures, became, seconds, "met" if met else "missed")
