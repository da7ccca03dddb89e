"""What both estimators do alike: training, the mean of the members' outputs, publishing."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from models.cores import cores
from models.features import Accepted
from models.registry.store import Repository
from training.data.tables.arrays import Answers, dataset_of_arrays, records_of
from training.errors import TrainingError
from training.estimator.frames import of_arrays, with_objects
from training.pipeline.run import Fitted, finish, fit
from training.recipes.overrides import override, with_metric
from training.recipes.table import table_recipe
from training.release.releasing import release


class SnnEstimator(BaseEstimator):  # type: ignore[misc]
    """The parameters, the training and the publishing of both estimators."""

    def __init__(
        self,
        *,
        recipe: dict[str, Any] | None = None,
        metric: str,
        categorical_features: Sequence[str | int] | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.metric = metric
        self.categorical_features = categorical_features
        self.random_state = random_state
        self.n_jobs = n_jobs

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
        check_is_fitted(self, "out_of_fold_")
        fitted = replace(self._fitted, dataset=replace(self._fitted.dataset, name=name))
        recipe = replace(self._recipe, rounds=self._recipe.served)
        trained = finish(fitted, recipe, self._seed, self._began, lambda _: None)
        return release(trained, Repository(Path(models)), Path(state), promote).version

    def train(
        self,
        rows: NDArray[Any],
        answers: Answers,
        sample_weight: ArrayLike | None,
        groups: Any,
        declared: Sequence[str],
    ) -> None:
        """Train on rows, of which ``declared`` columns are categories.

        Raises ``ValueError`` if they cannot be learned from.
        """
        began = time.monotonic()
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        try:
            dataset = dataset_of_arrays(
                rows,
                answers,
                self._names(),
                (*(self.categorical_features or ()), *declared),
                weights=weights,
                groups=None if groups is None else np.asarray(groups),
            )
            recipe = table_recipe(dataset)
            if recipe.contenders:
                recipe = with_metric(recipe, self.metric)
            if self.recipe is not None:
                recipe = override(recipe, dict(self.recipe), "Hyperparameters were given.")
            self._recipe, self._seed, self._began = recipe, _seed(self.random_state), began
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
            raise ValueError(of_arrays(str(error))) from error

    def mean_outputs(self, X: ArrayLike) -> NDArray[np.float64]:
        """The mean of the members' outputs ``(n, O)``; ``ValueError`` for a row that is not taken."""
        check_is_fitted(self, "out_of_fold_")
        rows = validate_data(
            self, with_objects(X), dtype=None, ensure_all_finite="allow-nan", reset=False
        )
        fitted = self._fitted
        try:
            read = fitted.featurizer.featurize(records_of(rows, fitted.dataset))
        except TrainingError as error:
            raise ValueError(of_arrays(str(error))) from error
        for row, outcome in enumerate(read.outcomes):
            if not isinstance(outcome, Accepted):
                raise ValueError(f"row {row}: {outcome.message}")
        # In double precision a row's answer does not depend on the rows beside it.
        squashed = torch.from_numpy(fitted.squash.transform(read.rows)).double()
        with torch.no_grad():
            outputs = [network.double()(squashed).numpy() for network in fitted.ensemble.networks]
        for network in fitted.ensemble.networks:
            network.float()
        return np.asarray(np.mean(outputs, axis=0), dtype=np.float64)

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


def _seed(random_state: Any) -> int:
    """The seed that scikit-learn's ``random_state`` gives: a number is itself."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def check_metric(name: str, known: Sequence[str]) -> None:
    """Raise ``ValueError`` if a metric is not known."""
    if name not in known:
        raise ValueError(f"metric is one of {', '.join(known)}, not {name!r}")
