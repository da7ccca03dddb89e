"""One training run: data, features, fold ensemble, calibration, metrics, reference, graph."""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import JsonValue

from models.features import Features, Featurizer
from models.health.combining import asked_rows, combined
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from models.networks.theory import MemberTheory, member_theory
from training.data import Dataset, featurizer_for
from training.errors import DataError
from training.evaluation.averaging import as_served
from training.evaluation.calibration import Calibration, ThresholdRule, calibrate
from training.evaluation.class_calibration import calibrate_classes
from training.evaluation.metrics import mean_auc, metrics
from training.networks.ensemble import (
    Ensemble,
    OutOfFold,
    Watch,
    fit_ensemble,
    members_of,
    out_of_fold,
)
from training.networks.export import ServedEnsemble, export
from training.networks.preprocessing import Squash, fit_squash
from training.recipes.official import ModelRecipe

_LIBRARIES = ("torch", "onnx", "numpy", "scipy", "rdkit")

#: Raised when the same data, recipe and seed come to train another model.
_PROCEDURE = 2

#: Rows on which the exported graph is compared with torch.
_PARITY_ROWS = 1000


@dataclass(frozen=True)
class Fitted:
    """A fold ensemble and its calibration on held-out rows.

    ``raw`` and ``rows`` are features ``(n, F)`` before and after ``squash``; ``rounds`` holds every
    network trained, ``ensemble`` those that are served. ``out_of_fold`` are uncalibrated logits
    ``(n, T)``, each by members that never saw the row.
    """

    dataset: Dataset
    recipe: ModelRecipe
    featurizer: Featurizer
    raw: NDArray[np.float32]
    squash: Squash
    rows: NDArray[np.float32]
    rounds: Ensemble
    ensemble: Ensemble
    out_of_fold: NDArray[np.float64]
    calibration: Calibration


@dataclass(frozen=True)
class Trained(Fitted):
    """The results of a run, of which a bundle is made."""

    metrics: dict[str, JsonValue]
    reference: Reference
    theory: list[MemberTheory]
    model: bytes
    provenance: dict[str, JsonValue]


def fit(
    dataset: Dataset,
    recipe: ModelRecipe,
    rounds: int,
    seed: int,
    say: Callable[[str], None],
    watch: Watch,
    processes: int | None = None,
) -> Fitted:
    """Featurize, train ``rounds`` networks without each fold, and calibrate out-of-fold.

    ``processes`` as in ``fit_ensemble``.

    Raises ``DataError`` or ``TrainingError`` if the data cannot be learned from or calibrated on.
    """
    _check_labels(dataset)
    featurizer = featurizer_for(dataset)
    say(f"featurizing {len(dataset)} rows with {featurizer.identifier}")
    raw = feature_rows(dataset, featurizer)
    squash = fit_squash(raw, featurizer.names, recipe.blocks)
    rows = squash.transform(raw)
    say(f"training {rounds} networks without each fold, {rows.shape[1]} features")
    trained = fit_ensemble(
        rows,
        dataset.labels,
        dataset.folds,
        [replace(network, exclusive=dataset.exclusive) for network in recipe.networks],
        names=featurizer.names,
        rounds=rounds,
        seed=seed,
        watch=watch,
        replicates=dataset.replicates,
        processes=processes,
    )
    ensemble = trained.rounds(0, recipe.served)
    own = _out_of_fold(dataset, ensemble, rows)
    calibration = calibrated(dataset, own, recipe.threshold_rule)
    return Fitted(
        dataset, recipe, featurizer, raw, squash, rows, trained, ensemble, own.logits, calibration
    )


def train_model(
    dataset: Dataset, recipe: ModelRecipe, seed: int, say: Callable[[str], None], watch: Watch
) -> Trained:
    """Train, calibrate, evaluate and export.

    ``say`` is called with a sentence before each stage, ``watch`` after each epoch of each member.
    Raises ``TrainingError`` if the data cannot be learned from or the exported graph differs.
    """
    began = time.monotonic()
    fitted = fit(dataset, recipe, recipe.rounds, seed, say, watch)
    ensemble, calibration = fitted.ensemble, fitted.calibration
    say("evaluating out-of-fold")
    figures = out_of_fold_metrics(dataset, calibration)
    rounds = [fitted.rounds.rounds(number, number + 1) for number in range(recipe.rounds)]
    # The AUC of each round alone shows the spread between seeds and recipes.
    figures["mean_auc_by_round"] = [
        mean_auc(dataset.labels, _out_of_fold(dataset, alone, fitted.rows).logits) for alone in rounds
    ]
    reference = _reference(dataset, ensemble, fitted.rows)
    served = ServedEnsemble(fitted.squash, ensemble, calibration.maps, exclusive=dataset.exclusive)
    theory = [
        member_theory(layers, fitted.rows[dataset.folds == member.fold])
        for layers, member in zip(served.layers(), ensemble.members, strict=True)
    ]
    say("exporting to ONNX and comparing with torch")
    model = export(served, fitted.raw[:_PARITY_ROWS])
    return Trained(
        **vars(fitted),
        metrics=figures,
        reference=reference,
        theory=theory,
        model=model,
        provenance=provenance(dataset, recipe, seed) | {"seconds": round(time.monotonic() - began, 1)},
    )


def _reference(dataset: Dataset, ensemble: Ensemble, rows: NDArray[np.float32]) -> Reference:
    """Fit the reference for squashed rows ``(n, F)`` to those that each member never saw."""
    numbers = range(len(ensemble.members))
    held_out = [np.flatnonzero(dataset.folds == member.fold) for member in ensemble.members]
    members = [
        MemberRows(ensemble.member_taps(rows[own], number), own)
        for number, own in zip(numbers, held_out, strict=True)
    ]
    asked = rows[asked_rows(len(rows))]
    taps = np.stack([ensemble.member_taps(asked, number) for number in numbers], axis=1)
    reference = fit_reference(members, rows, ensemble.member_logits(rows))
    return combined(reference, members, rows, taps)


def _check_labels(dataset: Dataset) -> None:
    """Every target needs both classes outside every fold, or it cannot be learned or calibrated."""
    for column, target in enumerate(dataset.targets):
        for fold in np.unique(dataset.folds):
            rest = dataset.labels[dataset.folds != fold, column]
            missing = [kind for kind, label in (("positive", 1), ("negative", 0)) if label not in rest]
            if missing:
                raise DataError(f"{dataset.name}: {target} has no {missing[0]} row outside fold {fold}")


def _out_of_fold(dataset: Dataset, trained: Ensemble, rows: NDArray[np.float32]) -> OutOfFold:
    """Uncalibrated logits of squashed rows ``(n, F)``, by members that never saw the row."""
    return out_of_fold(trained.member_logits(rows), trained.members, dataset.folds, dataset.exclusive)


def calibrated(dataset: Dataset, own: OutOfFold, rule: ThresholdRule) -> Calibration:
    """Calibrate the mean of all members by out-of-fold logits, of classes or of independent targets.

    Raises ``TrainingError`` if a target has one class only.
    """
    exclusive, labels = dataset.exclusive, dataset.labels
    served = as_served(labels, own.logits, own.spread, dataset.folds, exclusive=exclusive)
    if exclusive:
        return calibrate_classes(labels, own.logits, served)
    return calibrate(labels, own.logits, served, rule)


def out_of_fold_metrics(dataset: Dataset, calibration: Calibration) -> dict[str, JsonValue]:
    """The metrics of a manifest, from cross-fitted probabilities and calls."""
    return metrics(
        dataset.labels,
        calibration.probability,
        dataset.targets,
        calibration.calls,
        dataset.folds,
        served=calibration.served,
        exclusive=dataset.exclusive,
    )


def feature_rows(dataset: Dataset, featurizer: Featurizer) -> NDArray[np.float32]:
    """Features ``(n, F)`` of a data set; raises ``DataError`` if the featurizer refuses a record."""
    rows = featurized(dataset, featurizer).rows
    if len(rows) != len(dataset):
        refused = len(dataset) - len(rows)
        raise DataError(f"{dataset.name}: the featurizer refused {refused} of {len(dataset)} records")
    return rows


def featurized(dataset: Dataset, featurizer: Featurizer) -> Features:
    """Featurize a data set; by column name if the featurizer's table has other columns."""
    fields = dataset.fields
    if not fields or fields == featurizer.fields:
        return featurizer.featurize(dataset.records)
    records: Sequence[Any] = dataset.records
    shared = set(featurizer.fields)
    return featurizer.featurize(
        [
            {name: value for name, value in zip(fields, record, strict=True) if name in shared}
            for record in records
        ]
    )


def provenance(dataset: Dataset, recipe: ModelRecipe, seed: int) -> dict[str, JsonValue]:
    """What a run is made of, before it begins: data, recipe, procedure, libraries, and their hash.

    Two runs of one training hash publish the same model, whatever their files are called.
    """
    libraries: dict[str, JsonValue] = {name: version(name) for name in _LIBRARIES}
    # The GPU build is a distribution of another name; the module has the version of either.
    libraries["onnxruntime"] = onnxruntime.__version__
    libraries["python"] = platform.python_version()
    configuration = recipe.configuration() | {"procedure": _PROCEDURE, "featurizer": dataset.featurizer}
    document: dict[str, JsonValue] = {
        "configuration": configuration | ({"table": dataset.table} if dataset.table else {}),
        "data": dict(dataset.sources),
        "fold_rule": dataset.fold_rule,
        "libraries": libraries,
    }
    seeds = [member.seed for member in members_of(dataset.folds, recipe.served, seed)]
    nameless = {key: value for key, value in dataset.table.items() if key != "file"}
    content = {"data": sorted(dataset.sources.values()), "table": nameless, "seeds": seeds}
    made_of = [dataset.name, document | {"configuration": configuration} | content]
    text = json.dumps(made_of, sort_keys=True)
    return document | {"training_hash": hashlib.sha256(text.encode()).hexdigest()}
