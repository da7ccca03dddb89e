"""One table under one protocol: networks are trained, and every detector scores the same rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models.health.detector import Detector
from models.health.fitting import MemberRows, fit_reference
from training.benchmarks.health.suite.detectors import (
    ON_INPUTS,
    class_mahalanobis,
    energy,
    lowest_probability,
)
from training.data.official.uci import read_set
from training.networks.ensemble import Ensemble, fit_ensemble
from training.networks.preprocessing import Block, fit_squash
from training.networks.training_loop import Recipe

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

#: Tables of several classes and of 800 rows or more; of each no more than ``_MOST`` rows are taken.
SETS = (
    "statlog-vehicle", "yeast", "statlog-image", "wine-quality-red", "contrac",
    "cardiotocography-3clases", "steel-plates", "page-blocks", "waveform", "pendigits", "optical",
    "thyroid",
)  # fmt: skip
_MOST = 1500

NOVELTY, LABELLED = "a class left out", "5 % of anomalies labelled"
OURS, ONE_SIDED = "activations", "activations, one-sided"
NETWORKS = ("Mahalanobis, last layer", "energy", "max-probability")
SUPERVISED = "probability of an anomaly"
SCORES = (OURS, ONE_SIDED, *ON_INPUTS, *NETWORKS, SUPERVISED)
KEYS = ("set", "protocol", "class", "seed")
FIGURES = ("rows", "anomalies", *SCORES)

_FOLDS = 5
_RECIPE = Recipe(units=64, layers=4, batch_size=64, epochs=20, exclusive=True)
_BLOCKS = (Block("", power=1.0, limit=4.0),)


def trial(job: Mapping[str, Any]) -> dict[str, float]:
    """Return each detector's area under the curve of anomalies against ordinary rows."""
    protocol, seed = str(job["protocol"]), int(job["seed"])
    rng = np.random.default_rng(seed)
    rows, classes = _table(str(job["set"]), rng)
    number = np.bincount(classes).argsort()[::-1][int(job["class"])]
    if protocol == NOVELTY:
        # The others' rows are learned, or asked beside the class that is left out.
        anomaly = classes == number
        learned = ~anomaly & (rng.random(len(rows)) < 0.6)
        labels = classes[learned]
    else:
        # Han et al. 2022 (ADBench): 70 % are learned; of the anomalies among them 5 % are known to be
        # such, the others count as ordinary. The rarest class of a twentieth of the rows is anomalous.
        anomaly = classes == _rare(classes)
        learned = rng.random(len(rows)) < 0.7
        own = np.flatnonzero(anomaly & learned)
        labelled = np.zeros(len(rows), bool)
        labelled[rng.permutation(own)[: max(round(0.05 * len(own)), 2)]] = True
        labels = labelled[learned].astype(np.intp)
    asked = ~learned
    scores = _scores(rows[learned], labels, rows[asked], seed)
    if protocol == NOVELTY:
        scores[SUPERVISED] = np.zeros(int(asked.sum()))  # nothing is known of the class
    areas = {name: float(roc_auc_score(anomaly[asked], scores[name])) for name in SCORES}
    return {"rows": float(asked.sum()), "anomalies": float(anomaly[asked].sum()), **areas}


def _table(name: str, rng: np.random.Generator) -> tuple[Array32, NDArray[np.intp]]:
    """Some rows (n, F) of a table, and their classes (n,)."""
    columns, text = read_set(name)
    at = columns.index("clase")
    values = np.array(text, np.float64)
    values = values[rng.permutation(len(values))[:_MOST]]
    _, classes = np.unique(values[:, at], return_inverse=True)
    return np.delete(values, at, axis=1).astype(np.float32), classes


def _rare(classes: NDArray[np.intp]) -> int:
    counts = np.bincount(classes)
    enough = np.flatnonzero(counts >= 0.02 * len(classes))
    return int(enough[counts[enough].argmin()])


def _scores(known: Array32, labels: NDArray[np.intp], asked: Array32, seed: int) -> dict[str, Array]:
    """Every detector's scores of the rows that are asked; ``labels`` are what networks learn."""
    torch.set_num_threads(1)
    names = [f"f{number}" for number in range(known.shape[1])]
    squash = fit_squash(known, names, _BLOCKS)
    own, other = squash.transform(known), squash.transform(asked)
    _, labels = np.unique(labels, return_inverse=True)
    folds = _folds(labels, seed)
    ensemble = fit_ensemble(
        own, np.eye(labels.max() + 1, dtype=np.float32)[labels], folds, [_RECIPE],
        names=names, rounds=1, seed=seed, watch=lambda *_: None, processes=1,
    )  # fmt: skip
    scores = {
        name: score(own.astype(np.float64), other.astype(np.float64), seed)
        for name, score in ON_INPUTS.items()
    }
    p_values, scores[ONE_SIDED] = _judged(ensemble, own, folds, other)
    scores[OURS] = -p_values
    logits = ensemble.member_logits(other).mean(axis=1).astype(np.float64)
    last = [_last(ensemble, rows) for rows in (own, other)]
    scores["Mahalanobis, last layer"] = np.mean(
        [class_mahalanobis(known, labels, asked) for known, asked in zip(*last, strict=True)], axis=0
    )
    scores["energy"], scores["max-probability"] = energy(logits), lowest_probability(logits)
    scores[SUPERVISED] = logits[:, -1] - logits[:, 0]
    return scores


def _folds(labels: NDArray[np.intp], seed: int) -> NDArray[np.int8]:
    """Folds (n,) that have of every class alike."""
    folds = np.empty(len(labels), np.int8)
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds[order] = np.arange(len(labels)) % _FOLDS
    return folds


def _judged(
    ensemble: Ensemble, own: Array32, folds: NDArray[np.int8], other: Array32
) -> tuple[Array, Array]:
    """The service's p-values of rows, by a reference that is fitted as a bundle's is.

    They are two-sided. Beside them, how far out a row is: the larger of the inputs' distances and the
    members' mean one.
    """
    members, numbers = [], range(len(ensemble.members))
    for number in numbers:
        held_out = np.flatnonzero(folds == ensemble.members[number].fold)
        members.append(MemberRows(ensemble.member_taps(own[held_out], number), held_out))
    detector = Detector(fit_reference(members, own))
    taps = np.stack([ensemble.member_taps(other, number) for number in numbers], axis=1)
    p_values, judged = detector.judge(taps, other)
    statistics, layout = detector.statistics([judged]), detector.layout
    apart = np.vstack([statistics[layout.distances].mean(axis=0), statistics[layout.singles]])
    return p_values, apart.max(axis=0).astype(np.float64)


@torch.no_grad()
def _last(ensemble: Ensemble, rows: Array32) -> list[Array]:
    """Each member's last hidden layer (n, units)."""
    given = torch.from_numpy(rows)
    return [network.activations(given)[-1].double().numpy() for network in ensemble.networks]
