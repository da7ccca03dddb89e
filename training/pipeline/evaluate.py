"""Judge a model on rows that it never learned from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.loading import Bundle
from models.features import Accepted
from models.networks.outputs import INNER_OUTPUTS, INPUT, MEMBER_LOGIT
from training.data import Dataset
from training.errors import DataError
from training.evaluation.calibration import ThresholdRule
from training.evaluation.report import metrics
from training.networks.ensemble import Watch
from training.networks.export import reopened
from training.pipeline.run import calibrated, feature_rows, featurized, fit, held_out_logits
from training.recipes.official import ModelRecipe

_CHUNK = 1024


def run_graph(bundle: Bundle, rows: NDArray[np.float32], output: str) -> NDArray[np.float32]:
    """Run a bundle's graph on feature rows ``(n, F)``; ``output`` may be one of its inner tensors."""
    session = reopened(bundle.model, (output,) if output in INNER_OUTPUTS else ())
    parts = [
        session.run([output], {INPUT: rows[first : first + _CHUNK]})[0]
        for first in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(parts)


def bundle_out_of_fold(bundle: Bundle, dataset: Dataset) -> NDArray[np.float64]:
    """Return a bundle's uncalibrated logits ``(n, T)``, each by members that never saw the row.

    Rows that its featurizer refuses, such as a table's with a new category, get the others' mean: they
    count, as answers that know nothing. Raises ``DataError`` where that is half of them.
    """
    made = featurized(dataset, bundle.featurizer)
    accepted = np.array([isinstance(outcome, Accepted) for outcome in made.outcomes])
    if 2 * accepted.sum() <= len(accepted):
        raise DataError(
            f"{dataset.name}: version {bundle.manifest.version} cannot read {(~accepted).sum()} of the"
            f" {len(accepted)} records"
        )
    member_logits = run_graph(bundle, made.rows, MEMBER_LOGIT)
    members = tuple(bundle.manifest.members)
    known = held_out_logits(member_logits, members, dataset.folds[accepted], dataset.exclusive)
    logits = np.tile(known.mean(axis=0), (len(dataset), 1))
    logits[accepted] = known
    return logits


def evaluate_out_of_fold(bundle: Bundle, dataset: Dataset, rule: ThresholdRule) -> dict[str, JsonValue]:
    """Metrics of a published bundle, from its graph alone, in the form of its manifest's."""
    logits = bundle_out_of_fold(bundle, dataset)
    found = calibrated(dataset, logits, rule)
    return metrics(
        dataset.labels,
        found.probability,
        dataset.targets,
        found.thresholds,
        dataset.folds,
        exclusive=dataset.exclusive,
    )


def evaluate_on(
    bundle: Bundle, records: Sequence[object], labels: NDArray[np.floating]
) -> dict[str, JsonValue]:
    """Metrics of the served probabilities on rows ``(n, T)`` that no member ever saw.

    A record that the featurizer refuses gets the targets' base rates of the training rows, so that
    it counts, as an answer that knows nothing; ``refused`` says how many there were.
    """
    made = bundle.featurizer.featurize(records)
    accepted = np.array([isinstance(outcome, Accepted) for outcome in made.outcomes])
    rates = [_base_rate(bundle, target) for target in bundle.manifest.target_names]
    probability = np.tile(np.array(rates), (len(records), 1))
    probability[accepted] = run_graph(bundle, made.rows, "probability")
    thresholds = np.array([target.threshold for target in bundle.manifest.targets])
    document = metrics(labels, probability, tuple(bundle.manifest.target_names), thresholds)
    return document | {"refused": int((~accepted).sum())}


def _base_rate(bundle: Bundle, target: str) -> float:
    figures: Any = bundle.manifest.metrics["targets"]
    return float(figures[target]["positive"] / figures[target]["measured"])


def evaluate_twin(
    learned: Dataset,
    judged: Dataset,
    recipe: ModelRecipe,
    seed: int,
    say: Callable[[str], None],
    watch: Watch,
) -> dict[str, JsonValue]:
    """Train a twin on ``learned`` by the same recipe and return its metrics on ``judged``.

    The twin is an ensemble like the served one, whose every row, scaling and calibration comes
    from ``learned`` alone.
    """
    fitted = fit(learned, recipe, recipe.served, seed, say, watch)
    unseen = fitted.squash.transform(feature_rows(judged, fitted.featurizer))
    mean = fitted.ensemble.member_logits(unseen).mean(axis=1)
    probability = np.stack(
        [platt(mean[:, column]) for column, platt in enumerate(fitted.calibration.maps)], axis=1
    )
    return metrics(judged.labels, probability, judged.targets, fitted.calibration.thresholds)
