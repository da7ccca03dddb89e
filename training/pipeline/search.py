"""Hyperparameters by Optuna, judged on the folds: ``python -m training search MODEL``.

A trial trains one network without each fold; its score is the mean over the held-out folds. A trial
worse than the others' median is given up after any fold. The study is a journal file: if the search is
killed, the same command resumes it.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna import distributions
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from pydantic import JsonValue

from models.cores import cores
from training.data import Dataset, featurizer_for
from training.errors import TrainingError
from training.networks.preprocessing import fit_squash
from training.networks.training_loop import Recipe, held_out_figure, train
from training.pipeline.run import feature_rows
from training.recipes.official import ModelRecipe
from training.recipes.overrides import override

Array32 = NDArray[np.float32]
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_STUDY = "search"
#: Trials before any is given up.
_STARTUP = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of trials finished and given up, the best score and its trial (None before the first)."""

    trials: int
    pruned: int
    best: float | None
    number: int | None


def search(
    dataset: Dataset,
    recipe: ModelRecipe,
    path: Path,
    *,
    trials: int,
    timeout: float | None,
    seed: int,
    watch: Callable[[Progress], None],
) -> Progress:
    """Continue the study in ``path`` until ``trials`` are finished in all or ``timeout`` seconds passed.

    The first trial is the recipe's first network, so that the winner is no worse on the folds. ``watch``
    is called after each trial. Raises ``TrainingError`` if the study is of other data.
    """
    study = _open(path, dataset, seed)
    network = recipe.networks[0]
    space = _space(network)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial({name: getattr(network, name) for name in space})
    watch(_progress(study))
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    featurizer = featurizer_for(dataset)
    raw = feature_rows(dataset, featurizer)
    rows = fit_squash(raw, featurizer.names, recipe.blocks).transform(raw)
    folds = np.unique(dataset.folds).tolist()
    shared = (rows, dataset.labels, dataset.folds, replace(network, exclusive=dataset.exclusive))
    context = get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(min(len(folds), cores()), context, _share, shared) as pool:
        while _progress(study).trials < trials and time.monotonic() < deadline:
            trial = study.ask(space)
            futures = [pool.submit(_score, trial.params, fold, seed + fold) for fold in folds]
            try:
                study.tell(trial, _mean_score(trial, futures))
            except optuna.TrialPruned:
                study.tell(trial, state=TrialState.PRUNED)
            finally:
                for future in futures:
                    future.cancel()
            watch(_progress(study))
    return _progress(study)


def _mean_score(trial: optuna.Trial, futures: list[Future[float]]) -> float:
    """The mean over the folds; raises ``TrialPruned`` after a fold if the mean so far is too low.

    A fold without rows of both classes has no score (NaN) and does not count.
    """
    scores: list[float] = []
    for step, future in enumerate(futures):
        score = future.result()
        if math.isnan(score):
            continue
        scores.append(score)
        trial.report(float(np.mean(scores)), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(scores))


def winner(recipe: ModelRecipe, dataset: Dataset, path: Path) -> ModelRecipe:
    """The recipe with the hyperparameters of a study's best trial.

    Raises ``TrainingError`` if there is no study of these data, or none of its trials is complete.
    """
    if not path.is_file():
        raise TrainingError(f"{path} is no study; `python -m training search` makes one")
    study = _open(path, dataset, 0)
    final = _progress(study)
    if final.best is None:
        raise TrainingError(f"{path}: no trial of the study is complete")
    document: dict[str, JsonValue] = {
        "study": path.name,
        "trial": final.number,
        "score": final.best,
        "trials": final.trials,
        "pruned": final.pruned,
    }
    selection = (
        f"Chosen on the five folds by a search of {final.trials} trials ({final.pruned} given up early):"
        f" trial {final.number}, mean over folds {final.best:.4f} with one network each. The figures"
        " above are of the same folds, which flatters them by what such a choice gains by chance."
    )
    params = study.best_trial.params  # of this search space or an earlier one
    network = {name: params[name] for name in _space(recipe.networks[0]) if name in params}
    return override(recipe, network, selection, document)


def _open(path: Path, dataset: Dataset, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=_STUDY,
            direction="maximize",
            load_if_exists=True,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is not a study: {error}") from error
    # The seed depends on the number of trials: a resumed search repeats none of the draws.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTUP)
    identity = {"model": dataset.name, "data": dataset.sources, "targets": list(dataset.targets)}
    earlier = study.user_attrs.get("of")
    if earlier is None:
        study.set_user_attr("of", identity)
    elif earlier != identity:
        raise TrainingError(
            f"{path} is a study of {earlier['model']} on other data; name another --study"
        )
    return study


def _progress(study: optuna.Study) -> Progress:
    done = study.get_trials(deepcopy=False, states=_DONE)
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    best = study.best_trial if complete else None
    score, number = (None, None) if best is None else (best.value, best.number)
    return Progress(len(done), len(done) - len(complete), score, number)


def _space(network: Recipe) -> dict[str, distributions.BaseDistribution]:
    """The search space: around a network, whose own values are always among the choices."""
    choices: dict[str, list[Any]] = {
        "shape": ["rectangular", "conic"],
        "units": sorted({32, 64, 128, 256, network.units}),
        "layers": sorted({2, 3, 4, 6, 8, network.layers}),
        "dropout": sorted({0.0, 0.05, 0.1, 0.2, network.dropout}),
        "input_dropout": sorted({0.0, 0.1, 0.2, network.input_dropout}),
        "batch_size": sorted({64, 128, 256, network.batch_size}),
    }
    return {
        **{name: distributions.CategoricalDistribution(values) for name, values in choices.items()},
        "epochs": distributions.IntDistribution(max(1, network.epochs // 2), network.epochs * 2),
        "learning_rate": distributions.FloatDistribution(1e-4, 1e-2, log=True),
        "weight_decay": distributions.FloatDistribution(1e-4, 1.0, log=True),
    }


_shared: list[tuple[Array32, Array32, NDArray[np.int8], Recipe]] = []


def _share(*shared: Any) -> None:
    torch.set_num_threads(1)
    _shared[:] = [shared]


def _score(params: dict[str, Any], fold: int, seed: int) -> float:
    """Accuracy of classes, R² or mean AUC on one fold, by a network that was trained without it."""
    rows, labels, folds, network_recipe = _shared[0]
    held_out = folds == fold
    recipe = replace(network_recipe, **params)
    judged = rows[held_out], labels[held_out]
    network = train(rows[~held_out], labels[~held_out], judged, recipe, seed, lambda _: None)
    with torch.no_grad():
        logits = network(torch.from_numpy(judged[0])).numpy()
    if recipe.exclusive:
        return float(np.mean(logits.argmax(axis=1) == judged[1].argmax(axis=1)))
    return held_out_figure(judged[1], logits, recipe).value
