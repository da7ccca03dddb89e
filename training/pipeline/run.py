"""One training run: data, features, fold ensemble, calibration, metrics, reference, graph."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.targets import Spread
from models.features import Features, Featurizer
from models.health.reference import Reference
from models.networks.theory import MemberTheory, member_theory
from training.data import Dataset, featurizer_for
from training.errors import DataError, TrainingError
from training.evaluation.calibration import Calibration
from training.evaluation.quantities import QuantityCalibration
from training.networks.ensemble import Ensemble, OutOfFold, Watch, out_of_fold
from training.networks.export import ServedEnsemble, export
from training.networks.preprocessing import Squash, fit_squash
from training.networks.trees import Trees, fit_trees, seed_variance, with_trees
from training.pipeline.contenders import train_rounds
from training.pipeline.importance import importance
from training.pipeline.kinds import Calibrated, kind_of
from training.pipeline.measures import reference_of, spreads_of
from training.pipeline.provenance import provenance, with_choice
from training.recipes.official import ModelRecipe

#: Rows on which the exported graph is compared with torch.
_PARITY_ROWS = 1000


@dataclass(frozen=True)
class Fitted:
    """A fold ensemble and what it is calibrated to on held-out rows.

    ``raw`` and ``rows`` are features ``(n, F)`` before and after ``squash``; ``rounds`` holds every
    network trained, ``ensemble`` those that are served, beside ``trees`` if the recipe has any.
    ``out_of_fold`` are uncalibrated logits ``(n, T)``, each by members that never saw the row.
    """

    dataset: Dataset
    recipe: ModelRecipe
    featurizer: Featurizer
    raw: NDArray[np.float32]
    squash: Squash
    rows: NDArray[np.float32]
    rounds: Ensemble
    ensemble: Ensemble
    trees: Trees | None
    out_of_fold: NDArray[np.float64]
    calibrated: Calibrated
    #: By contender, the score of its first round.
    scores: tuple[float, ...]

    @property
    def calibration(self) -> Calibration:
        """That of classes; raises ``TrainingError`` of quantities."""
        if not isinstance(self.calibrated, Calibration):
            raise TrainingError(f"{self.dataset.name} predicts a quantity, which has no probability")
        return self.calibrated

    @property
    def quantities(self) -> QuantityCalibration | None:
        """That of quantities, None of classes."""
        return self.calibrated if isinstance(self.calibrated, QuantityCalibration) else None

    def member_logits(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Uncalibrated logits ``(n, members, T)`` of raw feature rows ``(n, F)``, as they are served."""
        return with_trees(self.ensemble, self.trees, self.squash, raw)


@dataclass(frozen=True)
class Trained(Fitted):
    """The results of a run, of which a bundle is made."""

    metrics: dict[str, JsonValue]
    reference: Reference
    theory: list[MemberTheory]
    #: How far a refit would move each target's logit; None of classes and quantities.
    spreads: tuple[Spread, ...] | None
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
    kind = kind_of(dataset)
    kind.check(dataset)
    featurizer = featurizer_for(dataset)
    say(f"featurizing {len(dataset)} rows with {featurizer.identifier}")
    raw = feature_rows(dataset, featurizer)
    squash = fit_squash(raw, featurizer.names, recipe.blocks)
    rows = squash.transform(raw)
    say(f"training {rounds} networks without each fold, {rows.shape[1]} features")

    def judge(first: Ensemble) -> float:
        made = kind.calibrated(dataset, _out_of_fold(dataset, first, rows), recipe.threshold_rule)
        return kind.score(dataset, made, recipe.metric)

    made = train_rounds(dataset, recipe, rows, featurizer.names, rounds, seed, watch, judge, processes)
    recipe, trained = made.recipe, made.ensemble
    ensemble, trees = trained.rounds(0, recipe.served), None
    if recipe.trees is not None:
        say(f"growing {recipe.trees.number} trees without each fold")
        imputed = squash.imputed(raw)
        trees = fit_trees(imputed, dataset.labels, dataset.folds, recipe.trees, seed, processes)
    logits = with_trees(ensemble, trees, squash, raw)
    own = out_of_fold(logits, ensemble.members, dataset.folds, dataset.exclusive)
    calibrated = kind.calibrated(dataset, own, recipe.threshold_rule)
    return Fitted(
        dataset,
        recipe,
        featurizer,
        raw,
        squash,
        rows,
        trained,
        ensemble,
        trees,
        own.logits,
        calibrated,
        made.scores,
    )


def train_model(
    dataset: Dataset, recipe: ModelRecipe, seed: int, say: Callable[[str], None], watch: Watch
) -> Trained:
    """Train, calibrate, evaluate and export.

    ``say`` is called with a sentence before each stage, ``watch`` after each epoch of each member.
    Raises ``TrainingError`` if the data cannot be learned from or the exported graph differs.
    """
    began = time.monotonic()
    return finish(fit(dataset, recipe, recipe.rounds, seed, say, watch), recipe, seed, began, say)


def finish(
    fitted: Fitted, recipe: ModelRecipe, seed: int, began: float, say: Callable[[str], None]
) -> Trained:
    """Evaluate and export a fit of ``recipe`` that ``began`` at a monotonic time; as ``train_model``."""
    dataset, ensemble = fitted.dataset, fitted.ensemble
    kind = kind_of(dataset)
    say("evaluating out-of-fold")
    figures = kind.metrics(dataset, fitted.calibrated)
    rounds = [fitted.rounds.rounds(number, number + 1) for number in range(recipe.rounds)]
    alone = [_out_of_fold(dataset, each, fitted.rows).logits for each in rounds]
    figures |= kind.by_round(dataset, alone)
    if dataset.fields:
        lines = () if fitted.quantities is None else fitted.quantities.lines
        figures["importance"] = importance(dataset, fitted.featurizer, ensemble, fitted.rows, lines)
    logits = fitted.member_logits(fitted.raw)
    reference = reference_of(ensemble, fitted.rows, logits, dataset.folds)
    answer = kind.answer(dataset, fitted.calibrated)
    served = ServedEnsemble(fitted.squash, ensemble, answer, trees=fitted.trees)
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
        spreads=None if dataset.exclusive or fitted.quantities else refit_spreads(fitted, seed, say),
        model=model,
        provenance=with_choice(provenance(dataset, recipe, seed), fitted.recipe, fitted.scores)
        | {"seconds": round(time.monotonic() - began, 1)},
    )


def refit_spreads(fitted: Fitted, seed: int, say: Callable[[str], None]) -> tuple[Spread, ...] | None:
    """How far a refit would move each target's logit; ``seed`` is the one of ``fit``."""
    raw, folds, own, seeds = fitted.raw, fitted.dataset.folds, fitted.recipe, None
    if fitted.trees is not None and own.trees is not None:
        say("growing other trees without one fold, which show what their seed does")
        imputed = fitted.squash.imputed(raw)
        seeds = seed_variance(fitted.trees, imputed, fitted.dataset.labels, folds, own.trees, seed)
    return spreads_of(fitted.rounds, fitted.trees, own.served, fitted.squash, raw, folds, seeds)


def _out_of_fold(dataset: Dataset, trained: Ensemble, rows: NDArray[np.float32]) -> OutOfFold:
    """Uncalibrated logits of squashed rows ``(n, F)``, by members that never saw the row."""
    return out_of_fold(trained.member_logits(rows), trained.members, dataset.folds, dataset.exclusive)


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
