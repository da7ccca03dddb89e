"""The classifier."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from training.data.tables.arrays import Answers
from training.estimator.base import SnnEstimator, check_metric
from training.estimator.frames import classes_of, declared_categories, with_objects
from training.evaluation.scores import METRICS


class SnnClassifier(ClassifierMixin, SnnEstimator):  # type: ignore[misc]
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
        """Train on rows ``(n, F)`` and classes ``(n,)``; rows of one of the ``groups`` share a fold.

        Raises ``ValueError`` if the rows cannot be learned from.
        """
        rows, y = validate_data(
            self,
            with_objects(X),
            classes_of(y),
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"SnnClassifier needs two classes or more; y has 1 class, {self.classes_[0]}"
            )
        answers = Answers.of_classes(codes, tuple(map(str, self.classes_)))
        check_metric(self.metric, METRICS)
        self.train(rows, answers, sample_weight, groups, declared_categories(X))
        self.out_of_fold_ = self._by_class(self._fitted.calibration.probability)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities ``(n, classes)``; ``ValueError`` for a row that is not taken."""
        mean, maps = self.mean_outputs(X), self._fitted.calibration.maps
        calibrated = mean * [each.slope for each in maps] + [each.intercept for each in maps]
        exclusive = self._fitted.dataset.exclusive
        return self._by_class(softmax(calibrated, axis=1) if exclusive else expit(calibrated))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row ``(n,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _by_class(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns for all classes; of two, only the second one's probability is computed."""
        if probability.shape[1] > 1:
            return probability
        return np.concatenate([1 - probability, probability], axis=1)
