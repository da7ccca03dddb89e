"""Adapt a version to another survey by a few labelled rows: all but the network's weights is made anew.

That is the scale of the features (``networks.rescaling``), calibration, cut-offs with their curve, and
the reference of the activations. No member saw any of the rows, so that the served mean itself is
calibrated. What is judged is cross-fitted: each fifth of the rows by the scale of the other four, which
also decide whether a new scale is better than the old one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.loading import Bundle
from models.bundle.manifest import FeaturizerEntry
from models.health.reference import Reference
from training.data.few_rows import FewRows
from training.errors import DataError, TrainingError
from training.evaluation.calibration import Calibration, calibrate, parts_of
from training.evaluation.class_calibration import calibrate_classes
from training.evaluation.figures import metrics
from training.evaluation.metrics import mean_auc_interval
from training.evaluation.rate_cut_off import cut_off, cut_off_calls
from training.networks.rescaling import Maps, rewritten
from training.pipeline.survey import Survey

Array = NDArray[np.floating]

#: The fewest rows, and the fewest of either class of a target, that can tell anything.
FEWEST_ROWS, FEWEST_OF_CLASS = 50, 10
_PARTS = 5


@dataclass(frozen=True)
class Adapted:
    """An adapted version, of which a bundle is made; ``summary`` holds counts for the model card."""

    origin: Bundle
    rows: FewRows
    featurizer: FeaturizerEntry
    model: bytes
    calibration: Calibration
    threshold_rule: str | None
    reference: Reference
    metrics: dict[str, JsonValue]
    summary: dict[str, object]


def adapt(bundle: Bundle, rows: FewRows, rate: float, say: Callable[[str], None]) -> Adapted:
    """Adapt a version to labelled rows; ``rate`` is the share of false positives that calls may have.

    Raises ``DataError`` if the rows are too few or cannot be read, ``TrainingError`` if the version has
    no statistics of its inputs or activations.
    """
    if not bundle.featurizer.fields:
        raise TrainingError(
            "molecules have no survey: train with --data FILE, which adds your compounds"
        )
    reference = bundle.reference
    if reference is None or reference.inputs is None:
        raise TrainingError(
            f"version {bundle.manifest.version} was published without statistics of its inputs, to which"
            " other rows could be brought; train the model again"
        )
    scaled = Survey(bundle, rows)
    labels, exclusive = rows.labels, bundle.manifest.exclusive
    _check(rows, scaled.targets)
    parts = parts_of(labels.argmax(axis=1) if exclusive else np.nan_to_num(labels[:, 0]), _PARTS)
    same = Maps(np.ones(scaled.raw.shape[1]), np.zeros(scaled.raw.shape[1]))
    say(f"judging {len(labels)} rows at their own scale, and at that of the training rows")
    maps, candidates = scaled.fit(np.ones(len(labels), dtype=np.bool_)), [scaled.logits(same)]
    if maps.changed.any():
        crossed = np.empty_like(candidates[0])
        for part in range(_PARTS):
            own = parts == part
            crossed[own] = scaled.logits(scaled.fit(~own))[own]
        candidates.append(crossed)
    calibrations = [_calibrated(bundle, labels, logits, rate) for logits in candidates]
    losses = np.stack([_losses(labels, made.served, exclusive=exclusive) for made in calibrations])
    best = int(np.argmin(losses.sum(axis=1)))
    chosen = maps if best else same
    # What is told of a row is by the scale that the others choose.
    calibration = _picked(calibrations, best, choices(losses, parts))
    maps_of_targets = np.array([[platt.slope, platt.intercept] for platt in calibration.maps])
    entry, in_graph = scaled.entry(chosen), chosen if scaled.by_graph else None
    figures = metrics(
        labels,
        calibration.probability,
        scaled.targets,
        calibration.calls,
        parts,
        served=calibration.served,
        elevated=calibration.calls_elevated,
        exclusive=exclusive,
    )
    value, low, high = mean_auc_interval(labels, calibration.probability)
    figures["mean_auc_by_round"] = [value]
    figures["mean_auc_by_round_95_interval"] = [[low, high]]
    changed = [scaled.names[at] for at in np.flatnonzero(chosen.changed)]
    return Adapted(
        origin=bundle,
        rows=rows,
        featurizer=entry,
        model=rewritten(bundle.model, maps_of_targets, in_graph),
        calibration=calibration,
        threshold_rule=None if exclusive or bundle.manifest.are_assays else _RULE.format(rate=rate),
        reference=scaled.reference(chosen),
        metrics=figures,
        summary={
            "adapted from": f"{bundle.manifest.name} version {bundle.manifest.version}",
            "labelled rows": len(labels),
            "columns brought to the training rows' scale": ", ".join(changed) or "none",
            **{
                f"rows of {target}": int(np.nansum(labels[:, at]))
                for at, target in enumerate(scaled.targets)
            },
        },
    )


_RULE = (
    "the probability from which a share of {rate:g} of the negative rows is expected to be called, by"
    " the tail of their logits, cross-fitted; half of that is aimed at, since tails are heavier than"
    " they look on few rows"
)


def _check(rows: FewRows, targets: tuple[str, ...]) -> None:
    if len(rows.labels) < FEWEST_ROWS:
        raise DataError(
            f"{rows.name} has {len(rows.labels)} labelled rows; at least {FEWEST_ROWS} are needed"
        )
    for at, target in enumerate(targets):
        column = rows.labels[:, at]
        for kind, count in (("positive", (column == 1).sum()), ("negative", (column == 0).sum())):
            if count < FEWEST_OF_CLASS:
                raise DataError(
                    f"{rows.name}: {target} has {count} {kind} rows; at least {FEWEST_OF_CLASS} are"
                    " needed"
                )


def _calibrated(bundle: Bundle, labels: Array, logits: Array, rate: float) -> Calibration:
    if bundle.manifest.exclusive:
        return calibrate_classes(labels, logits, logits)
    if bundle.manifest.are_assays:
        return calibrate(labels, logits, logits, "levels")
    made = calibrate(labels, logits, logits, "f1")
    thresholds = np.array([cut_off(y, p, rate) for y, p in zip(labels.T, made.served.T, strict=True)])
    calls = [cut_off_calls(y, p, rate) for y, p in zip(labels.T, made.served.T, strict=True)]
    return replace(made, thresholds=thresholds, calls=np.stack(calls, axis=1))


def _losses(labels: Array, probability: Array, *, exclusive: bool) -> NDArray[np.float64]:
    """The log-loss of each row, ``(n,)``, summed over its measured targets."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    entries = labels * np.log(p) if exclusive else labels * np.log(p) + (1 - labels) * np.log1p(-p)
    return np.asarray(-np.nansum(entries, axis=1, dtype=np.float64))


def choices(losses: Array, parts: NDArray[np.integer]) -> NDArray[np.intp]:
    """Which candidate, of losses ``(candidates, n)``, is best for the parts other than a row's own."""
    best = np.empty(losses.shape[1], dtype=np.intp)
    for part in np.unique(parts):
        own = parts == part
        best[own] = np.argmin(losses[:, ~own].sum(axis=1))
    return best


def _picked(calibrations: Sequence[Calibration], best: int, choice: NDArray[np.intp]) -> Calibration:
    """Maps and cut-offs of the ``best``; what each row gets is by its own ``choice`` ``(n,)``."""

    def rows(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack(values)[choice, np.arange(len(choice))]

    elevated = [made.calls_elevated for made in calibrations if made.calls_elevated is not None]
    return replace(
        calibrations[best],
        probability=rows([made.probability for made in calibrations]),
        served=rows([made.served for made in calibrations]),
        calls=rows([made.calls for made in calibrations]),
        calls_elevated=rows(elevated) if elevated else None,
    )
