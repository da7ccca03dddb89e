"""Rows of another survey as the unchanged network sees them, at their own scale or another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from models import features
from models.bundle.loading import Bundle
from models.bundle.manifest import FeaturizerEntry
from models.features import Accepted, Featurizer
from models.health.combining import asked_rows, combined
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from models.networks.outputs import INPUT, SQUASHED, TAPS
from training.data.few_rows import FewRows, base_rates
from training.errors import DataError
from training.networks.export import all_outputs, reopened
from training.networks.rescaling import Maps, matched

Array = NDArray[np.floating]


class Survey:
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
        self._session = reopened(bundle.model, (SQUASHED,))
        figures: Any = manifest.metrics["targets"]
        shares = base_rates(figures, self.targets)
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
            values: NDArray[np.floating] = self._session.run([SQUASHED], {INPUT: rows})[0]
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
        """Logits ``(n, T)`` before the version's calibration; of classes log-probabilities."""
        targets = self._bundle.manifest.targets
        slope = np.array([target.slope for target in targets])
        intercept = np.array([target.intercept for target in targets])
        mean = (self._outputs(maps)["logit"].astype(np.float64) - intercept) / slope
        return np.asarray(log_softmax(mean, axis=1) if self._bundle.manifest.exclusive else mean)

    def reference(self, maps: Maps) -> Reference:
        """The reference of the rows' activations; every member is new to all of them."""
        outputs = self._outputs(maps)
        taps, everything = outputs[TAPS], np.arange(len(self.raw))
        members = [MemberRows(taps[:, number], everything) for number in range(taps.shape[1])]
        squashed = outputs[SQUASHED]
        asked = taps[asked_rows(len(taps))]
        found = combined(fit_reference(members, squashed), members, squashed, asked)
        # So few rows tell nothing of their extremes; the networks are the same, and so are their bounds.
        origin = self._bundle.reference
        return found if origin is None else replace(found, rows=origin.rows)

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
        read = featurizer.featurize(records).judged(ignore_applicability=True)
        for line, outcome in zip(self._rows.lines, read.outcomes, strict=True):
            if not isinstance(outcome, Accepted):
                raise DataError(f"{self._rows.name}, line {line}: {outcome.message}")
        return read.rows


def _weights(labels: Array, shares: Array, *, exclusive: bool) -> NDArray[np.float64]:
    """Weights ``(n,)`` that give the rows the training rows' mix of classes, where that is one mix."""
    if exclusive:
        return np.asarray(labels @ (shares / np.maximum(labels.mean(axis=0), 1e-9)), dtype=np.float64)
    if labels.shape[1] > 1:
        return np.ones(len(labels))
    own = float(labels[:, 0].mean())
    share = float(shares[0])
    return np.where(labels[:, 0] == 1, share / own, (1 - share) / (1 - own))
