"""scikit-learn's interface to the pipeline: ``SnnClassifier().fit(X, y).publish("my-task")``.

An estimator makes of its arrays the data set that a file of them would be, and trains it by the same
recipe; what it answers is what the published version answers.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from models.cores import cores
from models.features import Accepted
from models.registry.store import Repository
from training.data.tables.arrays import dataset_of_arrays, records_of
from training.errors import TrainingError
from training.evaluation.scores import METRICS, Metric
from training.pipeline.run import Fitted, finish, fit
from training.recipes.overrides import override
from training.recipes.table import table_recipe
from training.release.releasing import release


class SnnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An ensemble of self-normalizing networks, calibrated out-of-fold.

    It takes numbers, categories and missing values. ``recipe`` are hyperparameters other than the
    default's, as in ``--recipe``; ``metric`` chooses between a short and a long training. Columns of
    texts are categories, and so are those that ``categorical_features`` names or numbers. ``n_jobs`` -1
    takes all cores. After ``fit`` there are ``classes_``, ``n_features_in_``, ``feature_names_in_`` of a
    data frame, and ``out_of_fold_``: probabilities ``(n, classes)`` of the rows learned, each by members
    that never saw it.
    """

    def __init__(
        self,
        *,
        recipe: dict[str, Any] | None = None,
        metric: str = "log_loss",
        categorical_features: Sequence[str | int] | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.metric = metric
        self.categorical_features = categorical_features
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on rows ``(n, F)`` and classes ``(n,)``; rows of one of the ``groups`` share a fold.

        Raises ``ValueError`` if the rows cannot be learned from.
        """
        began = time.monotonic()
        rows, y = _validated(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"SnnClassifier needs two classes or more; y has 1 class, {self.classes_[0]}"
            )
        try:
            dataset = dataset_of_arrays(
                rows,
                codes,
                tuple(map(str, self.classes_)),
                self._names(),
                self.categorical_features or (),
                weights=weights,
                groups=None if groups is None else np.asarray(groups),
            )
            recipe = replace(table_recipe(dataset), metric=_metric(self.metric))
            if self.recipe is not None:
                recipe = override(recipe, dict(self.recipe), "Hyperparameters were given.")
            self._recipe, self._seed, self._began = recipe, int(self.random_state), began
            self._fitted: Fitted = fit(
                dataset,
                recipe,
                recipe.served,
                self._seed,
                lambda _: None,
                lambda *_: None,
                processes=cores() if self.n_jobs == -1 else self.n_jobs or 1,
            )
        except TrainingError as error:
            raise ValueError(str(error)) from error
        probability = self._fitted.calibration.probability
        self.out_of_fold_ = self._by_class(probability)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities ``(n, classes)``; ``ValueError`` for a row that is not taken."""
        check_is_fitted(self, "classes_")
        rows = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=False)
        fitted = self._fitted
        try:
            read = fitted.featurizer.featurize(records_of(rows, fitted.dataset))
        except TrainingError as error:
            raise ValueError(str(error)) from error
        for row, outcome in enumerate(read.outcomes):
            if not isinstance(outcome, Accepted):
                raise ValueError(f"row {row}: {outcome.message}")
        # In double precision a row's answer does not depend on the rows beside it.
        squashed = torch.from_numpy(fitted.squash.transform(read.rows)).double()
        with torch.no_grad():
            logits = [network.double()(squashed).numpy() for network in fitted.ensemble.networks]
        for network in fitted.ensemble.networks:
            network.float()
        mean = np.mean(logits, axis=0)
        maps = fitted.calibration.maps
        calibrated = mean * [each.slope for each in maps] + [each.intercept for each in maps]
        exclusive = fitted.dataset.exclusive
        return self._by_class(softmax(calibrated, axis=1) if exclusive else expit(calibrated))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row ``(n,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def publish(
        self,
        name: str,
        models: str | Path = "models",
        state: str | Path = "state",
        *,
        promote: str = "auto",
    ) -> int:
        """Publish what was fitted as the next version of model ``name``, which is returned.

        ``models`` is the model repository. With ``promote`` "auto" it becomes the champion if no check
        of the gate fails, with "always" in any case. Raises ``TrainingError`` or ``ModelError`` if it
        cannot be served.
        """
        check_is_fitted(self, "classes_")
        fitted = replace(self._fitted, dataset=replace(self._fitted.dataset, name=name))
        recipe = replace(self._recipe, rounds=self._recipe.served)
        trained = finish(fitted, recipe, self._seed, self._began, lambda _: None)
        return release(trained, Repository(Path(models)), Path(state), promote).version

    def _by_class(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns for all classes; of two, only the second one's probability is computed."""
        if probability.shape[1] > 1:
            return probability
        return np.concatenate([1 - probability, probability], axis=1)

    def _names(self) -> tuple[str, ...]:
        named = getattr(self, "feature_names_in_", None)
        return (
            tuple(map(str, named))
            if named is not None
            else tuple(f"x{column}" for column in range(self.n_features_in_))
        )

    def __sklearn_tags__(self) -> Any:
        """Missing values and texts are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


def _validated(
    estimator: SnnClassifier, X: ArrayLike, y: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    rows, labels = validate_data(
        estimator, X, y, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=2
    )
    return rows, labels


def _metric(name: str) -> Metric:
    for metric in METRICS:
        if metric == name:
            return metric
    raise ValueError(f"metric is one of {', '.join(METRICS)}, not {name!r}")
