"""Adapt a version to another survey by a few labelled rows: all but the network's weights is made anew.

That is the scale of the features (``networks.rescaling``), calibration, cut-offs with their curve, and
the reference of the activations. No member saw any of the rows, so that the served mean itself is
calibrated. What is judged is cross-fitted: each fifth of the rows by the scale of the other four.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from scipy.special import log_softmax

from models import features
from models.bundle.loading import Bundle
from models.bundle.manifest import FeaturizerEntry
from models.features import Accepted, Featurizer
from models.health.combining import asked_rows, combined
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from models.networks.outputs import MEMBER_LOGIT, SQUASHED, TAPS
from training.data.few_rows import FewRows, base_rates
from training.errors import DataError, TrainingError
from training.evaluation.calibration import Calibration, calibrate, parts_of
from training.evaluation.class_calibration import calibrate_classes
from training.evaluation.figures import metrics
from training.evaluation.metrics import mean_auc
from training.evaluation.rate_cut_off import cut_off, cut_off_calls
from training.networks.export import all_outputs, reopened
from training.networks.rescaling import Maps, matched, rewritten

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
    reference = bundle.reference
    if reference is None or reference.inputs is None:
        raise TrainingError(
            f"version {bundle.manifest.version} was published without statistics of its inputs, to which"
            " other rows could be brought; train the model again"
        )
    scaled = _Scaled(bundle, rows)
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
    losses = [_log_loss(labels, made.served, exclusive=exclusive) for made in calibrations]
    best = int(np.argmin(losses))
    chosen, calibration = (maps if best else same), calibrations[best]
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
    figures["mean_auc_by_round"] = [mean_auc(labels, candidates[best])]
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


class _Scaled:
    """The rows' features, and what the unchanged network says of them at any scale."""

    def __init__(self, bundle: Bundle, rows: FewRows) -> None:
        """Featurize the rows; raises ``DataError`` naming the line of one that is refused."""
        manifest = bundle.manifest
        self._bundle, self._rows = bundle, rows
        self.targets = tuple(manifest.target_names)
        identifier = manifest.featurizer.identifier
        # Moments at another scale are no sample's moments: the adapted version must not check them.
        pulsar = identifier.startswith("pulsar-")
        self._identifier = "pulsar-1" if pulsar else identifier
        #: Whether the maps are nodes of the graph; of tables they are parameters of the featurizer.
        self.by_graph = pulsar
        self._base = features.create(self._identifier, manifest.featurizer.parameters)
        self.names = self._base.names
        self.raw = self._features(self._base)
        columns: Any = manifest.featurizer.parameters.get("columns", [])
        numbers = [column["name"] for column in columns if column["kind"] == "number"]
        self._places = {name: self.names.index(name) for name in numbers}
        self._mapped = np.full(len(self.names), pulsar)
        self._mapped[list(self._places.values())] = True
        self._session = reopened(bundle.model, (SQUASHED, MEMBER_LOGIT))
        shares = base_rates(_figures(bundle), self.targets)
        self._weights = _weights(rows.labels, shares, exclusive=manifest.exclusive)

    def fit(self, used: NDArray[np.bool_]) -> Maps:
        """The maps that some of the rows ask for."""
        reference = self._bundle.reference
        assert reference is not None and reference.inputs is not None
        raw = self.raw[used].astype(np.float64)
        with np.errstate(all="ignore"):
            known = np.where(np.isnan(raw).all(axis=0), 0.0, np.nanmedian(np.nan_to_num(raw), axis=0))
        raw = np.where(np.isnan(raw), known, raw)

        def squashed(rows: NDArray[np.float32]) -> NDArray[np.floating]:
            values: NDArray[np.floating] = self._session.run([SQUASHED], {"features": rows})[0]
            return values

        return matched(raw, self._weights[used], reference.inputs, squashed, self._mapped)

    def entry(self, maps: Maps) -> FeaturizerEntry:
        """The featurizer at a scale: of tables, its columns' centres, scales and knots are moved."""
        parameters: dict[str, Any] = dict(self._base.parameters)
        identifier = self._identifier if maps.changed.any() else None
        if maps.changed.any() and not self.by_graph:
            parameters = {
                **parameters,
                "columns": [self._moved(column, maps) for column in parameters["columns"]],
            }
        origin = self._bundle.manifest.featurizer
        document = {"identifier": identifier or origin.identifier, "parameters": parameters}
        return FeaturizerEntry.model_validate(document)

    def _moved(self, column: Mapping[str, Any], maps: Maps) -> dict[str, Any]:
        at = self._places.get(column["name"])
        if at is None or not maps.changed[at]:
            return dict(column)
        factor, centre, scale = float(maps.factor[at]), column.get("centre", 0), column.get("scale", 1)
        shift = centre - factor * centre + scale * float(maps.shift[at])
        moved = dict(column) | {"centre": (centre - shift) / factor, "scale": scale / factor}
        if "knots" in column:
            moved["knots"] = [(knot - shift) / factor for knot in column["knots"]]
        return moved

    def logits(self, maps: Maps) -> NDArray[np.float64]:
        """Uncalibrated logits ``(n, T)`` of the mean of all members; of classes log-probabilities."""
        mean = self._outputs(maps)[MEMBER_LOGIT].astype(np.float64).mean(axis=1)
        return np.asarray(log_softmax(mean, axis=1) if self._bundle.manifest.exclusive else mean)

    def reference(self, maps: Maps) -> Reference:
        """The reference of the rows' activations; every member is new to all of them."""
        outputs = self._outputs(maps)
        taps, everything = outputs[TAPS], np.arange(len(self.raw))
        members = [MemberRows(taps[:, number], everything) for number in range(taps.shape[1])]
        squashed = outputs[SQUASHED]
        asked = taps[asked_rows(len(taps))]
        return combined(fit_reference(members, squashed), members, squashed, asked)

    def _outputs(self, maps: Maps) -> dict[str, NDArray[np.float32]]:
        rows = self.raw
        if maps.changed.any():
            entry = self.entry(maps)
            rows = (
                maps(self.raw)
                if self.by_graph
                else self._features(features.create(entry.identifier, entry.parameters))
            )
        return all_outputs(self._session, rows)

    def _features(self, featurizer: Featurizer) -> NDArray[np.float32]:
        records = self._rows.records
        smiles = featurizer.fields == ()
        read = featurizer.featurize([record["smiles"] for record in records] if smiles else records)
        read = read.judged(ignore_applicability=True)
        for line, outcome in zip(self._rows.lines, read.outcomes, strict=True):
            if not isinstance(outcome, Accepted):
                raise DataError(f"{self._rows.name}, line {line}: {outcome.message}")
        return read.rows


def _figures(bundle: Bundle) -> Any:
    return bundle.manifest.metrics["targets"]


def _weights(labels: Array, shares: Array, *, exclusive: bool) -> NDArray[np.float64]:
    """Weights ``(n,)`` that give the rows the training rows' mix of classes, where that is one mix."""
    if exclusive:
        return np.asarray(labels @ (shares / np.maximum(labels.mean(axis=0), 1e-9)), dtype=np.float64)
    if labels.shape[1] > 1:
        return np.ones(len(labels))
    own = float(labels[:, 0].mean())
    share = float(shares[0])
    return np.where(labels[:, 0] == 1, share / own, (1 - share) / (1 - own))


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


def _log_loss(labels: Array, probability: Array, *, exclusive: bool) -> float:
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    entries = labels * np.log(p) if exclusive else labels * np.log(p) + (1 - labels) * np.log1p(-p)
    return -float(np.nanmean(entries))
