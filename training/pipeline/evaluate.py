"""Evaluate a model on rows that it never learned from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.loading import Bundle
from models.features import Accepted
from models.features.tabular.categories import as_category
from models.features.tabular.cells import number
from models.networks.outputs import INNER_OUTPUTS, INPUT, MEMBER_LOGIT
from training.data import Dataset
from training.data.folds import folds_by_rule, is_hashed
from training.errors import DataError
from training.evaluation.calibration import ThresholdRule
from training.evaluation.figures import metrics
from training.networks.ensemble import OutOfFold, Watch, out_of_fold
from training.networks.export import reopened
from training.pipeline.kinds import kind_of
from training.pipeline.run import feature_rows, featurized, fit
from training.recipes.official import ModelRecipe

_CHUNK = 1024


def run_graph(bundle: Bundle, rows: NDArray[np.float32], output: str) -> NDArray[np.float32]:
    """Run a bundle's graph on feature rows ``(n, F)``; ``output`` may be one of its inner tensors."""
    session = reopened(bundle.model, (output,) if output in INNER_OUTPUTS else ())
    chunks = [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]
    return np.concatenate([session.run([output], {INPUT: chunk})[0] for chunk in chunks])


def bundle_out_of_fold(bundle: Bundle, dataset: Dataset) -> OutOfFold:
    """Return a bundle's uncalibrated logits of each row, by members that never saw it.

    The rows' folds are those of the bundle's own rule and columns. Rows that its featurizer refuses,
    such as a table's with a new category, get the mean of the others: they count as uninformative
    answers. Raises ``DataError`` if half of the rows are refused, or if it cannot be told which members
    saw a row.
    """
    folds = bundle_folds(bundle, dataset)
    features = featurized(dataset, bundle.featurizer).judged(ignore_applicability=True)
    accepted = np.array([isinstance(outcome, Accepted) for outcome in features.outcomes])
    if 2 * accepted.sum() <= len(accepted):
        raise DataError(
            f"{dataset.name}: version {bundle.manifest.version} cannot read {(~accepted).sum()} of the"
            f" {len(accepted)} records"
        )
    member_logits = _on_scale(run_graph(bundle, features.rows, MEMBER_LOGIT), bundle, dataset)
    members = tuple(bundle.manifest.members)
    own = out_of_fold(member_logits, members, folds[accepted], dataset.exclusive)
    logits, spread = (np.tile(part.mean(axis=0), (len(dataset), 1)) for part in (own.logits, own.spread))
    logits[accepted], spread[accepted] = own.logits, own.spread
    return OutOfFold(logits, spread)


def _on_scale(outputs: NDArray[np.floating], bundle: Bundle, dataset: Dataset) -> NDArray[np.floating]:
    """Members' outputs ``(n, M, O)``, those of quantities on the scale of the data set's labels."""
    if bundle.manifest.is_regression != (dataset.standard is not None):
        raise DataError("one of the two predicts classes, the other a quantity")
    if dataset.standard is None:
        return outputs
    own = np.tile([[each.centre, each.scale] for each in bundle.manifest.quantities], (3, 1)).T
    centre, scale = own - [[dataset.standard.centre], [0.0]]
    return np.asarray((outputs.astype(np.float64) * scale + centre) / dataset.standard.scale)


def bundle_folds(bundle: Bundle, dataset: Dataset) -> NDArray[np.int8]:
    """Return the fold ``(n,)`` of each row by the bundle's rule, from the columns that it reads.

    Raises ``DataError`` if a column is missing or the rule is not known here.
    """
    manifest = bundle.manifest
    rule = manifest.provenance.fold_rule
    if not dataset.fields:
        if rule != dataset.fold_rule:
            raise DataError(
                f"version {manifest.version} has another rule of folds ({rule}): which of its members"
                " saw a row cannot be told"
            )
        return dataset.folds
    if rule == dataset.fold_rule and not is_hashed(rule):
        return dataset.folds  # a column that is no feature says them
    missing = [name for name in bundle.featurizer.fields if name not in dataset.fields]
    if missing:
        raise DataError(
            f"version {manifest.version} reads column {missing[0]}, which these rows lack: it cannot be"
            " asked about them"
        )
    entries: Any = manifest.featurizer.parameters["columns"]
    columns = [(dataset.fields.index(entry["name"]), _reader(entry)) for entry in entries]
    records: Sequence[Any] = dataset.records
    own = [[read(record[at]) for at, read in columns] for record in records]
    try:
        return folds_by_rule(rule, bundle.featurizer.fields, own, dataset.strata)
    except DataError as error:
        raise DataError(f"version {manifest.version}: {error}") from error


def _as_number(value: object) -> object:
    return number(value) if isinstance(value, str) else value


def _reader(entry: Mapping[str, Any]) -> Callable[[object], object]:
    """How a column's values are written in the key of a row, by the column's entry."""
    if entry["kind"] == "number":
        return _as_number
    if entry["kind"] != "category":
        return _as_it_is
    spelled = {value.lower(): value for value in entry["values"]}
    return lambda value: (
        spelled.get(str(value).lower(), as_category(value))
        if isinstance(value, bool)
        else as_category(value)
    )


def _as_it_is(value: object) -> object:
    return value


def evaluate_out_of_fold(bundle: Bundle, dataset: Dataset, rule: ThresholdRule) -> dict[str, JsonValue]:
    """Metrics of a published bundle from its graph, as its manifest has them; raises ``DataError``."""
    kind = kind_of(dataset)
    return kind.metrics(dataset, kind.calibrated(dataset, bundle_out_of_fold(bundle, dataset), rule))


def evaluate_on(
    bundle: Bundle, records: Sequence[object], labels: NDArray[np.floating]
) -> dict[str, JsonValue]:
    """Metrics of the served probabilities on records with labels ``(n, T)`` that no member saw.

    Records that the model cannot judge count with the numbers that it gives for them all the same, as
    for the leaderboard. A record that the featurizer refuses gets the targets' base rates of the
    training rows: it counts as an uninformative answer. ``refused`` is the number of these.
    """
    features = bundle.featurizer.featurize(records).judged(ignore_applicability=True)
    accepted = np.array([isinstance(outcome, Accepted) for outcome in features.outcomes])
    figures: Any = bundle.manifest.metrics["targets"]
    rows = [figures[target.name] for target in bundle.manifest.targets]
    rates = np.array([row["positive"] / row["measured"] for row in rows])
    probability = np.tile(rates, (len(records), 1))
    probability[accepted] = run_graph(bundle, features.rows, "probability")
    thresholds = np.array([target.threshold for target in bundle.manifest.targets])
    document = metrics(
        labels, probability, tuple(bundle.manifest.target_names), probability >= thresholds
    )
    return document | {"refused": int((~accepted).sum())}


def evaluate_twin(
    learned: Dataset,
    judged: Dataset,
    recipe: ModelRecipe,
    seed: int,
    say: Callable[[str], None],
    watch: Watch,
) -> dict[str, JsonValue]:
    """Train an ensemble like the served one on ``learned`` and return its metrics on ``judged``.

    Rows, scaling and calibration come from ``learned`` alone.
    """
    fitted = fit(learned, recipe, recipe.served, seed, say, watch)
    mean = fitted.member_logits(feature_rows(judged, fitted.featurizer)).mean(axis=1)
    maps, thresholds = fitted.calibration.maps, fitted.calibration.thresholds
    probability = np.stack([platt(mean[:, at]) for at, platt in enumerate(maps)], axis=1)
    return metrics(judged.labels, probability, judged.targets, probability >= thresholds)
