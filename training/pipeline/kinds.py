"""What a data set's targets are, classes or quantities, and how each kind is checked and calibrated."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.targets import Quantity
from training.data import Dataset
from training.errors import DataError
from training.evaluation.averaging import as_served
from training.evaluation.calibration import Calibration, ThresholdRule, calibrate
from training.evaluation.class_calibration import calibrate_classes
from training.evaluation.figures import metrics
from training.evaluation.metrics import mean_auc_interval
from training.evaluation.quantities import (
    COVERAGE,
    QUANTITY_METRICS,
    QuantityCalibration,
    calibrate_quantities,
    quantity_metrics,
    quantity_score,
    r2_interval,
)
from training.evaluation.scores import METRICS, score
from training.networks.ensemble import OutOfFold
from training.networks.onnx_answers import Answer, ProbabilityAnswer, QuantityAnswer

#: A calibration of either kind.
Calibrated = Calibration | QuantityCalibration


class Kind(Protocol):
    """What is done by kind; what is called ``calibration`` is what ``calibrated`` has returned."""

    def check(self, dataset: Dataset) -> None:
        """Raise ``DataError`` if the labels cannot be learned or calibrated on."""

    def calibrated(self, dataset: Dataset, own: OutOfFold, rule: ThresholdRule) -> Any:
        """Calibrate the mean of all members by out-of-fold outputs; raises ``TrainingError``."""

    def score(self, dataset: Dataset, calibration: Any, metric: str) -> float:
        """One figure of what is calibrated; more is better."""

    def metrics(self, dataset: Dataset, calibration: Any) -> dict[str, JsonValue]:
        """The metrics of a manifest."""

    def by_round(self, dataset: Dataset, outputs: Sequence[NDArray[np.float64]]) -> dict[str, JsonValue]:
        """A figure of each round's out-of-fold outputs, which shows the spread between seeds."""

    def answer(self, dataset: Dataset, calibration: Any) -> Answer:
        """What the graph makes of the members' mean."""


class Classes:
    """Independent targets of two classes each, or mutually exclusive classes."""

    def check(self, dataset: Dataset) -> None:
        """Every target needs both classes outside every fold."""
        for column, target in enumerate(dataset.targets):
            for fold in np.unique(dataset.folds):
                rest = dataset.labels[dataset.folds != fold, column]
                missing = [
                    kind for kind, label in (("positive", 1), ("negative", 0)) if label not in rest
                ]
                if missing:
                    raise DataError(
                        f"{dataset.name}: {target} has no {missing[0]} row outside fold {fold}"
                    )

    def calibrated(self, dataset: Dataset, own: OutOfFold, rule: ThresholdRule) -> Calibration:
        """Raises ``TrainingError`` if a target has one class only."""
        exclusive, labels = dataset.exclusive, dataset.labels
        served = as_served(labels, own.logits, own.spread, dataset.folds, exclusive=exclusive)
        if exclusive:
            return calibrate_classes(labels, own.logits, served)
        return calibrate(labels, own.logits, served, rule)

    def score(self, dataset: Dataset, calibration: Calibration, metric: str) -> float:
        """Of the served probabilities."""
        known = next(each for each in METRICS if each == metric)
        return score(known, dataset.labels, calibration.served, exclusive=dataset.exclusive)

    def metrics(self, dataset: Dataset, calibration: Calibration) -> dict[str, JsonValue]:
        """From cross-fitted probabilities and calls."""
        return metrics(
            dataset.labels,
            calibration.probability,
            dataset.targets,
            calibration.calls,
            dataset.folds,
            served=calibration.served,
            elevated=calibration.calls_elevated,
            parts=dataset.parts,
            exclusive=dataset.exclusive,
        )

    def by_round(self, dataset: Dataset, outputs: Sequence[NDArray[np.float64]]) -> dict[str, JsonValue]:
        """The AUC of each round's networks alone."""
        areas = [mean_auc_interval(dataset.labels, logits) for logits in outputs]
        return {
            "mean_auc_by_round": [area for area, *_ in areas],
            "mean_auc_by_round_95_interval": [[low, high] for _, low, high in areas],
        }

    def answer(self, dataset: Dataset, calibration: Calibration) -> Answer:
        """Calibrated logits and probabilities."""
        return ProbabilityAnswer(calibration.maps, dataset.exclusive)


class Quantities:
    """Targets that are numbers."""

    def check(self, dataset: Dataset) -> None:
        """Every target needs two different values outside every fold."""
        for fold in np.unique(dataset.folds):
            constant = np.ptp(dataset.labels[dataset.folds != fold], axis=0) == 0
            if constant.any():
                target = dataset.targets[int(np.argmax(constant))]
                raise DataError(f"{dataset.name}: all values of {target} outside fold {fold} are one")

    def calibrated(self, dataset: Dataset, own: OutOfFold, rule: ThresholdRule) -> QuantityCalibration:
        """There are no cut-offs by ``rule``."""
        del rule
        return calibrate_quantities(dataset.labels, own.logits, own.spread, dataset.folds)

    def score(self, dataset: Dataset, calibration: QuantityCalibration, metric: str) -> float:
        """Of the standardised values."""
        known = next(each for each in QUANTITY_METRICS if each == metric)
        return quantity_score(known, dataset.labels, calibration)

    def metrics(self, dataset: Dataset, calibration: QuantityCalibration) -> dict[str, JsonValue]:
        """In the targets' units."""
        scales = [quantity.scale for quantity in quantities_of(dataset, calibration)]
        return quantity_metrics(
            dataset.labels, calibration, dataset.targets, np.array(scales), dataset.folds
        )

    def by_round(self, dataset: Dataset, outputs: Sequence[NDArray[np.float64]]) -> dict[str, JsonValue]:
        """R² of each round's networks alone."""
        count = len(dataset.targets)
        told = [r2_interval(dataset.labels, own[:, :count]) for own in outputs]
        return {
            "r2_by_round": [value for value, *_ in told],
            "r2_by_round_95_interval": [[low, high] for _, low, high in told],
        }

    def answer(self, dataset: Dataset, calibration: QuantityCalibration) -> Answer:
        """Values and intervals in the targets' units."""
        return QuantityAnswer(quantities_of(dataset, calibration))


def quantities_of(dataset: Dataset, calibration: QuantityCalibration) -> list[Quantity]:
    """The quantities of a manifest; raises ``DataError`` if the data set's targets are classes."""
    standard = dataset.standard
    if standard is None:
        raise DataError(f"{dataset.name}: its targets are no quantities")
    return [
        Quantity(
            name=name,
            unit=standard.unit,
            centre=standard.centre,
            scale=standard.scale,
            slope=line.slope,
            intercept=line.intercept,
            margin=float(margin),
            coverage=COVERAGE,
        )
        for name, line, margin in zip(
            dataset.targets, calibration.lines, calibration.margins, strict=True
        )
    ]


_CLASSES, _QUANTITIES = Classes(), Quantities()


def kind_of(dataset: Dataset) -> Kind:
    """What the targets of a data set are."""
    return _CLASSES if dataset.standard is None else _QUANTITIES
