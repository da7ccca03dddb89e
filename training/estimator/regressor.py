"""The regressor."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from models.bundle.targets import Quantity
from training.data.tables.arrays import Answers
from training.errors import TrainingError
from training.estimator.base import SnnEstimator, check_metric
from training.estimator.frames import declared_categories, with_objects
from training.evaluation.quantities import QUANTITY_METRICS
from training.networks.onnx_answers import QuantityAnswer
from training.pipeline.kinds import quantities_of


class SnnRegressor(RegressorMixin, SnnEstimator):  # type: ignore[misc]
    """An ensemble of self-normalizing networks for a quantity, with conformal intervals.

    Parameters are those of ``SnnClassifier``; ``metric`` is rmse, mae or pinball. After ``fit`` there
    are ``n_features_in_``, ``feature_names_in_`` of a data frame, and ``out_of_fold_``: values ``(n,)``
    of the rows learned, each by members that never saw it.
    """

    def __init__(
        self,
        *,
        recipe: dict[str, Any] | None = None,
        metric: str = "rmse",
        categorical_features: Sequence[str | int] | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            recipe=recipe,
            metric=metric,
            categorical_features=categorical_features,
            random_state=random_state,
            n_jobs=n_jobs,
        )

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on rows ``(n, F)`` and numbers ``(n,)``; rows of one of the ``groups`` share a fold.

        Raises ``ValueError`` if the rows cannot be learned from.
        """
        rows, y = validate_data(
            self,
            with_objects(X),
            y,
            dtype=None,
            y_numeric=True,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
        )
        try:
            answers = Answers.of_values(np.asarray(y, dtype=np.float64), "y")
        except TrainingError as error:
            raise ValueError(str(error)) from error
        check_metric(self.metric, QUANTITY_METRICS)
        self.train(rows, answers, sample_weight, groups, declared_categories(X))
        made, (quantity,) = self._fitted.quantities, self._quantities()
        assert made is not None
        self.out_of_fold_ = quantity.centre + quantity.scale * made.value[:, 0]
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The value of each row ``(n,)``; ``ValueError`` for a row that is not taken."""
        return np.asarray(self._answer(X)[0][:, 0])

    def predict_interval(self, X: ArrayLike) -> NDArray[np.float64]:
        """Both ends ``(n, 2)`` of the interval that holds nine of ten new values of such rows."""
        return np.asarray(self._answer(X)[1][:, 0])

    def _answer(self, X: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        mean = torch.from_numpy(self.mean_outputs(X))
        return QuantityAnswer(self._quantities()).compute(mean)

    def _quantities(self) -> list[Quantity]:
        made = self._fitted.quantities
        assert made is not None
        return quantities_of(self._fitted.dataset, made)
