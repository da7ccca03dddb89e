"""The promotion gate: a challenger becomes the champion unless one of its checks fails.

Champion and challenger are compared on the same rows, each row by members that never saw it.
"""

import json
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.loading import Bundle
from models.errors import BundleRefused
from models.health.detector import Detector
from models.networks.outputs import INPUT, OUTPUTS, SQUASHED, TAPS
from training.errors import TrainingError
from training.evaluation.metrics import bootstrap, mean_auc
from training.networks.export import all_outputs
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.run import Trained, calibrated

Array = NDArray[np.floating]

#: The values of ``--promote``.
PROMOTE = ("auto", "always", "never")

#: Numbers of rows that are timed, and the seconds that each may take whatever the champion takes.
_SECONDS, _RUNS = {1: 0.002, 256: 0.25}, 15
#: How many times slower and larger than the champion a challenger may be; small graphs always pass.
_SLOWER, _LARGER, _SMALL_BYTES = 2.0, 2.0, 64 * 1024 * 1024
#: Outside these variances a layer is dead or its activations explode; above this share, saturated.
_DEAD, _EXPLODING, _SATURATED = 1e-4, 1e3, 0.99
#: Golden rows span what may be asked: this share of them needs a p-value of at least this size.
_FAMILIAR_SHARE, _FAMILIAR_P = 0.25, 0.01


@dataclass(frozen=True, slots=True)
class Check:
    """One check's outcome, as a sentence and as figures."""

    name: str
    passed: bool
    summary: str
    figures: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of all checks: ``passed`` if none failed, ``promote`` after the option ``--promote``."""

    at: str
    version: int
    champion: int | None
    passed: bool
    promote: bool
    reason: str
    checks: tuple[Check, ...]

    def to_bytes(self) -> bytes:
        """The file ``gate.json`` of the bundle."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def examine(promote: str, trained: Trained, champion: Bundle | None, challenger: Bundle) -> Report:
    """Make every check of a run's bundle and apply ``--promote``.

    Raises ``TrainingError`` if the challenger gives no taps.
    """
    labels, logits = trained.dataset.labels, trained.out_of_fold
    checks = [
        golden(challenger),
        activations(challenger, golden_p_values(challenger)),
        size(challenger, champion),
        speed(challenger, champion),
        learned(labels, logits),
    ]
    probability = None
    if champion is not None:
        try:
            champion_logits, probability = _champion_predictions(champion, trained)
            checks.append(discrimination(labels, logits, champion_logits))
        except TrainingError as error:
            checks.append(Check("comparable", False, str(error), {}))
    checks.append(calibration(labels, trained.calibration.probability, probability))
    failed = [check for check in checks if not check.passed]
    reason = "; ".join(f"{check.name}: {check.summary}" for check in failed)
    if not failed and champion is None:
        reason = "it is the first version, and nothing is wrong with it"
    elif not failed:
        reason = next(check.summary for check in checks if check.name == "discrimination")
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=challenger.manifest.version,
        champion=None if champion is None else champion.manifest.version,
        passed=not failed,
        promote=promote == "always" or (promote == "auto" and not failed),
        reason=reason if promote == "auto" else f"--promote {promote} was asked for; {reason}",
        checks=tuple(checks),
    )


def _champion_predictions(champion: Bundle, trained: Trained) -> tuple[Array, Array]:
    """The champion's out-of-fold logits and probabilities ``(n, T)`` of the same rows."""
    dataset = trained.dataset
    if tuple(champion.manifest.target_names) != dataset.targets:
        raise TrainingError("the champion predicts other targets; use --promote always if that is meant")
    try:
        logits = bundle_out_of_fold(champion, dataset)
        return logits, calibrated(dataset, logits, trained.recipe.threshold_rule).probability
    except TrainingError as error:
        raise TrainingError(f"the champion cannot be asked about these rows: {error}") from error


def golden_p_values(bundle: Bundle) -> NDArray[np.float64]:
    """P-values ``(n,)`` of the golden rows; raises ``TrainingError`` if the bundle has no taps."""
    rows = bundle.golden
    if bundle.reference is None or rows.taps is None:
        raise TrainingError("the challenger gives no taps, by which its layers could be examined")
    inputs = {} if rows.squashed is None else {SQUASHED: rows.squashed}
    return Detector(bundle.reference).p_values({TAPS: rows.taps, **inputs})


def learned(labels: Array, challenger: Array) -> Check:
    """Whether out-of-fold scores ``(n, T)`` rank labels ``(n, T)`` better than chance."""
    auc, _, low, high = bootstrap(
        lambda rows: mean_auc(labels[rows], challenger[rows]), len(labels), draws=200
    )
    return Check(
        "learned",
        low > 0.5,
        f"out-of-fold mean AUC {auc:.4f}, 95 % interval {low:.4f} to {high:.4f}:"
        f" {'better than' if low > 0.5 else 'no better than'} chance",
        {"mean_auc": auc, "low": low, "high": high},
    )


def discrimination(labels: Array, challenger: Array, champion: Array) -> Check:
    """Compare out-of-fold scores ``(n, T)`` of both by a paired bootstrap over the same rows.

    The challenger fails if the 95 % interval of the difference of mean AUCs lies below zero.
    """
    gap, _, low, high = bootstrap(
        lambda rows: mean_auc(labels[rows], challenger[rows]) - mean_auc(labels[rows], champion[rows]),
        len(labels),
    )
    return Check(
        "discrimination",
        high >= 0,
        f"out-of-fold mean AUC {gap:+.4f} against the champion on the same {len(labels)} rows,"
        f" 95 % interval {low:+.4f} to {high:+.4f}: {'not worse' if high >= 0 else 'worse'}",
        {"difference": gap, "low": low, "high": high, "rows": len(labels)},
    )


def calibration(labels: Array, challenger: Array, champion: Array | None) -> Check:
    """Compare cross-fitted probabilities ``(n, T)`` by log-loss with the base rate and the champion."""

    def losses(probability: Array) -> Array:
        """Negative log-likelihood in nats of every measured label, NaN for the others."""
        p = np.clip(probability, 1e-7, 1 - 1e-7)
        return np.asarray(-(labels * np.log(p) + (1 - labels) * np.log1p(-p)), dtype=np.float64)

    def mean(values: Array) -> float:
        return float(np.nanmean(np.nanmean(values, axis=0)))

    own = losses(challenger)
    loss, base = mean(own), mean(losses(np.tile(np.nanmean(labels, axis=0), (len(labels), 1))))
    figures: dict[str, JsonValue] = {"log_loss": loss, "base_rate_log_loss": base}
    text = f"log-loss {loss:.4f}, {'below' if loss < base else 'not below'} the base rate's {base:.4f}"
    if champion is None:
        return Check("calibration", loss < base, text, figures)
    paired = own - losses(champion)
    gap, _, low, high = bootstrap(lambda rows: mean(paired[rows]), len(labels))
    figures |= {"difference": gap, "low": low, "high": high}
    text += f"; {gap:+.5f} against the champion, 95 % interval {low:+.5f} to {high:+.5f}"
    return Check("calibration", loss < base and low <= 0, text, figures)


def speed(challenger: Bundle, champion: Bundle | None) -> Check:
    """Median times of one row and of a batch of golden rows, on one thread, both bundles in turns."""
    bundles = [bundle for bundle in (challenger, champion) if bundle is not None]
    sessions = [_session(bundle) for bundle in bundles]
    figures: dict[str, JsonValue] = {}
    texts, passed = [], True
    for rows, bound in _SECONDS.items():
        blocks = [
            np.resize(bundle.golden.features, (rows, bundle.manifest.features)) for bundle in bundles
        ]
        seconds = np.empty((_RUNS, len(bundles)))
        for run, column in np.ndindex(seconds.shape):
            started = perf_counter()
            sessions[column].run(list(OUTPUTS), {INPUT: blocks[column]})
            seconds[run, column] = perf_counter() - started
        median = np.median(seconds[2:], axis=0).tolist()  # the first runs allocate memory
        own, other = median[0], None if champion is None else median[1]
        passed &= own <= max(bound, _SLOWER * (other or 0.0))
        figures[f"seconds_{rows}"] = [own, other]
        beside = "" if other is None else f" (champion {other * 1e3:.3f})"
        texts.append(f"{rows} rows in {own * 1e3:.3f} ms{beside}")
    return Check("latency", passed, "; ".join(texts), figures)


def _session(bundle: Bundle) -> onnxruntime.InferenceSession:
    """A session on one thread, as the service's workers use it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])


def size(challenger: Bundle, champion: Bundle | None) -> Check:
    """Bytes of the graph, which every worker holds in memory."""
    own, other = len(challenger.model), None if champion is None else len(champion.model)
    text = f"{own:,} bytes" + ("" if other is None else f" (champion {other:,})")
    return Check("size", own <= max(_SMALL_BYTES, _LARGER * (other or 0)), text, {"bytes": [own, other]})


def golden(challenger: Bundle) -> Check:
    """Whether the golden rows are reproduced from raw records on, by the service's own check."""
    count, fault = len(challenger.golden.records), None
    try:
        challenger.check_golden(partial(all_outputs, _session(challenger)))
    except BundleRefused as error:
        fault = str(error)
    return Check(
        "golden", fault is None, fault or f"all {count} golden rows are reproduced", {"rows": count}
    )


def activations(challenger: Bundle, p_values: Array) -> Check:
    """Whether every layer is finite, neither dead nor exploding, and golden rows look familiar.

    ``p_values`` ``(n,)`` are the golden rows'.
    """
    for number, member in enumerate(challenger.manifest.reference):
        rows = zip(member.mean, member.variance, member.saturated, strict=True)
        for layer, (mean, variance, saturated) in enumerate(rows, start=1):
            finite = all(map(math.isfinite, (mean, variance, saturated)))
            if finite and _DEAD <= variance <= _EXPLODING and saturated <= _SATURATED:
                continue
            fault, figures = "its statistics are no numbers", dict[str, JsonValue]()
            if finite:
                figures = {"variance": variance, "saturated": saturated}
                fault = f"variance {variance:.3g}, {saturated:.1%} of its units are saturated"
            return Check("activations", False, f"member {number}, layer {layer}: {fault}", figures)
    familiar = float((p_values >= _FAMILIAR_P).mean()) if np.isfinite(p_values).all() else 0.0
    variances = [value for member in challenger.manifest.reference for value in member.variance]
    return Check(
        "activations",
        familiar >= _FAMILIAR_SHARE,
        f"variances {min(variances):.3g} to {max(variances):.3g}; {familiar:.0%} of the golden rows have"
        f" a p-value of {_FAMILIAR_P} or more",
        {"variance": [min(variances), max(variances)], "familiar": familiar},
    )
