"""What train, search and evaluate do, and what they show on a terminal."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.cli.terminal import console, member_bars, print_metrics, say, watch_bars
from training.data import load_tox21_twin
from training.data.official import tox21_final
from training.data.user_file import UserFile
from training.errors import TrainingError
from training.pipeline.evaluate import evaluate_on, evaluate_out_of_fold, evaluate_twin
from training.pipeline.provenance import provenance
from training.pipeline.run import train_model
from training.pipeline.task import load_task
from training.recipes.official import RECIPES
from training.recipes.overrides import with_metric
from training.release.comparison import MARGIN
from training.release.publish import published_before
from training.release.releasing import release


def train_and_publish(
    model: str,
    repository: Repository,
    state: Path,
    seed: int,
    promote: str,
    user_file: UserFile | None,
    recipe_file: Path | None,
    study: Path | None,
    margin: float | None,
    metric: str | None = None,
) -> dict[str, Any]:
    """Train, publish, and promote by the gate's verdict; print the reason, and return all of it.

    What a published version was made of in every way is not published again.
    Raises ``TrainingError`` or ``ModelError`` if an option, the data or the champion cannot be used.
    """
    if recipe_file is not None and study is not None:
        raise TrainingError("--recipe and --search both say how to train; give one of them")
    if margin is not None and not 0 < margin < 0.5:
        raise TrainingError(f"--margin is a loss between 0 and 0.5, not {margin:g}")
    dataset, recipe = load_task(model, user_file, repository)
    for notice in dataset.notices:
        say(notice)
    if recipe_file is not None:
        from training.recipes.overrides import recipe_of_file

        recipe = recipe_of_file(recipe, recipe_file)
    if study is not None:
        from training.pipeline.search import winner  # only a search needs Optuna

        recipe = winner(recipe, dataset, study)
    if metric is not None:
        recipe = with_metric(recipe, metric)
    trained_as = str(provenance(dataset, recipe, seed)["training_hash"])
    same = published_before(trained_as, model, repository)
    if same is not None:
        say(
            f"not published: version {same} was made of the same data, recipe, seed and libraries;"
            f" `python -m training promote {model} {same}` serves it, another --seed makes another"
        )
        return {"model": model, "version": same, "published": False}
    with member_bars() as bars:
        trained = train_model(dataset, recipe, seed, bars.console.print, watch_bars(bars))
    released = release(trained, repository, state, promote, MARGIN if margin is None else margin)
    version = released.version
    say(f"published {model} version {version} in {repository.root}")
    print_metrics(trained.metrics, f"{model} version {version}, out-of-fold")
    for check in released.report["checks"]:
        say(f"{'passed' if check['passed'] else 'FAILED':7} {check['name']}: {check['summary']}")
    say(f"{'promoted' if released.promoted else 'not promoted'}: {released.reason}")
    return {
        "model": model,
        "version": version,
        "published": True,
        "promoted": released.promoted,
        "reason": released.reason,
        "metrics": trained.metrics,
        "checks": released.report["checks"],
    }


def search_recipe(
    model: str,
    repository: Repository,
    study: Path,
    trials: int,
    timeout: float | None,
    seed: int,
    user_file: UserFile | None,
) -> dict[str, Any]:
    """Start or resume a search, print the command that trains its best trial, and return the trial.

    Raises ``TrainingError`` if the data or the study cannot be used, or no trial was completed.
    """
    from training.pipeline import search  # only a search needs Optuna

    dataset, recipe = load_task(model, user_file, repository)
    best = TextColumn("{task.fields[best]}")
    with Progress(
        TextColumn("trials"), BarColumn(), MofNCompleteColumn(), best, console=console
    ) as bars:
        task = bars.add_task("trials", total=trials, best="")

        def watch(progress: search.Progress) -> None:
            text = f"{progress.pruned} given up"
            if progress.best is not None:
                text = f"best {progress.best:.4f} by trial {progress.number}, {text}"
            bars.update(task, completed=progress.trials, best=text)

        final = search.search(
            dataset, recipe, study, trials=trials, timeout=timeout, seed=seed, watch=watch
        )
    if final.best is None:
        raise TrainingError("no trial was completed in time; the same command resumes the search")
    network = search.winner(recipe, dataset, study).networks[0]
    say(f"best of {final.trials} trials: {final.best:.4f}, {network}")
    say(f"train it by: python -m training train {model} --search {study}")
    return {
        "model": model,
        "study": str(study),
        "trials": final.trials,
        "given_up": final.pruned,
        "best": final.best,
        "network": asdict(network),
    }


def evaluate_version(
    model: str,
    version: int | None,
    repository: Repository,
    split: str,
    user_file: UserFile | None,
) -> dict[str, Any]:
    """Compute a published version's metrics from its graph, print them, and return them.

    Raises ``TrainingError`` if the model has no such split, ``ModelError`` if there is no such version.
    """
    if split != "out-of-fold" and model != "tox21":
        raise TrainingError(f"--split {split} exists for tox21 alone")
    number = version if version is not None else repository.serving(model).champion
    bundle = open_bundle(repository.bundle(model, number))
    title = f"{model} version {number}, {split}"
    if split == "out-of-fold":
        dataset, recipe = load_task(model, user_file, repository)
        document = evaluate_out_of_fold(bundle, dataset, recipe.threshold_rule)
    elif split == "final":
        final = tox21_final.load()
        document = evaluate_on(bundle, final.smiles, final.labels)
    else:
        training, leaderboard = load_tox21_twin()
        with member_bars() as bars:
            document = evaluate_twin(
                training, leaderboard, RECIPES[model], 0, bars.console.print, watch_bars(bars)
            )
        title = f"{model}, the current recipe trained without the leaderboard set"
    print_metrics(document, title)
    return {"model": model, "version": number, "split": split, "metrics": document}
