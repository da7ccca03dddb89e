"""What the promotion gate looks at, one function each: a challenger alone, and beside its champion."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.loading import Bundle
from models.errors import BundleRefused
from models.networks.outputs import INPUT, OUTPUTS
from training.evaluation.metrics import bootstrap, mean_auc

Array = NDArray[np.floating]

_DRAWS = 1000
#: A row and a full batch, and the seconds that either may take whatever the champion takes.
_ROWS = {1: 0.002, 256: 0.25}
_RUNS = 15
#: How much slower and larger than the champion a challenger may be.
SLOWER, LARGER = 2.0, 2.0
#: No champion is so small that this would be too large.
_SMALL_BYTES = 64 * 1024 * 1024
#: A layer's variance below which it says nothing, and above which nothing normalizes itself.
_DEAD, _BURST = 1e-4, 1e3
_SATURATED = 0.99
#: Of the golden rows, which span what may be asked, so many must not look foreign to the network.
_FAMILIAR_SHARE, _FAMILIAR_P = 0.25, 0.01


@dataclass(frozen=True, slots=True)
class Check:
    """One check's outcome, in a sentence and in figures."""

    name: str
    passed: bool
    summary: str
    figures: dict[str, JsonValue]


def learned(labels: Array, challenger: Array) -> Check:
    """Whether out-of-fold scores ``(n, T)`` know anything of the labels at all."""

    def value(rows: NDArray[np.intp]) -> float:
        return mean_auc(labels[rows], challenger[rows])

    auc = value(np.arange(len(labels)))
    _, low, high = bootstrap(value, len(labels), draws=_DRAWS // 5)
    return Check(
        "learned",
        low > 0.5,
        f"out-of-fold mean AUC {auc:.4f}, 95 % interval {low:.4f} to {high:.4f}:"
        f" {'better than' if low > 0.5 else 'no better than'} chance",
        {"mean_auc": auc, "low": low, "high": high},
    )


def discrimination(labels: Array, challenger: Array, champion: Array) -> Check:
    """Compare out-of-fold scores ``(n, T)`` of both on the same rows by a paired bootstrap.

    The challenger passes unless its mean AUC is worse beyond chance: the whole 95 % interval of
    the difference below zero.
    """

    def difference(rows: NDArray[np.intp]) -> float:
        return mean_auc(labels[rows], challenger[rows]) - mean_auc(labels[rows], champion[rows])

    gap = difference(np.arange(len(labels)))
    _, low, high = bootstrap(difference, len(labels), draws=_DRAWS)
    return Check(
        "discrimination",
        high >= 0,
        f"out-of-fold mean AUC {gap:+.4f} against the champion on the same {len(labels)} rows,"
        f" 95 % interval {low:+.4f} to {high:+.4f}: {'not worse' if high >= 0 else 'worse'}",
        {"difference": gap, "low": low, "high": high, "rows": len(labels)},
    )


def calibration(labels: Array, challenger: Array, champion: Array | None) -> Check:
    """Compare cross-fitted probabilities ``(n, T)`` by log-loss with the base rate and the champion."""
    own = _losses(labels, challenger)
    base = _losses(labels, np.tile(np.nanmean(labels, axis=0), (len(labels), 1)))
    loss, base_loss = (float(np.nanmean(np.nanmean(each, axis=0))) for each in (own, base))
    useful = loss < base_loss
    figures: dict[str, JsonValue] = {"log_loss": loss, "base_rate_log_loss": base_loss}
    text = f"log-loss {loss:.4f}, {'below' if useful else 'not below'} the base rate's {base_loss:.4f}"
    if champion is None:
        return Check("calibration", useful, text, figures)
    paired = own - _losses(labels, champion)

    def difference(rows: NDArray[np.intp]) -> float:
        return float(np.nanmean(np.nanmean(paired[rows], axis=0)))

    gap = difference(np.arange(len(labels)))
    _, low, high = bootstrap(difference, len(labels), draws=_DRAWS)
    figures |= {"difference": gap, "low": low, "high": high}
    text += f"; {gap:+.5f} against the champion, 95 % interval {low:+.5f} to {high:+.5f}"
    return Check("calibration", useful and low <= 0, text, figures)


def _losses(labels: Array, probability: Array) -> NDArray[np.float64]:
    """Negative log-likelihood in nats of every measured label ``(n, T)``, NaN for the others."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.asarray(-(labels * np.log(p) + (1 - labels) * np.log1p(-p)), dtype=np.float64)


def speed(challenger: Bundle, champion: Bundle | None) -> Check:
    """Time both, in turns, on golden rows: one row and a batch, one thread, medians."""
    sessions = [session_of(bundle) for bundle in (challenger, champion) if bundle is not None]
    bundles = [bundle for bundle in (challenger, champion) if bundle is not None]
    figures: dict[str, JsonValue] = {}
    words, passed = [], True
    for size, bound in _ROWS.items():
        blocks = [
            np.ascontiguousarray(np.resize(bundle.golden.features, (size, bundle.manifest.features)))
            for bundle in bundles
        ]
        seconds = np.array(
            [
                [_timed(session, block) for session, block in zip(sessions, blocks, strict=True)]
                for _ in range(_RUNS)
            ]
        )
        median = np.median(seconds[2:], axis=0)  # the first runs pay for allocations
        own, other = float(median[0]), float(median[1]) if len(median) > 1 else None
        passed &= own <= max(bound, SLOWER * (other or 0.0))
        figures[f"seconds_{size}"] = [own, other]
        beside = "" if other is None else f" (champion {other * 1e3:.3f})"
        words.append(f"{size} rows in {own * 1e3:.3f} ms{beside}")
    return Check("latency", passed, "; ".join(words), figures)


def _timed(session: onnxruntime.InferenceSession, block: Array) -> float:
    started = perf_counter()
    session.run(list(OUTPUTS), {INPUT: block})
    return perf_counter() - started


def session_of(bundle: Bundle) -> onnxruntime.InferenceSession:
    """A session with one thread, as a worker of the service has it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])


def size(challenger: Bundle, champion: Bundle | None) -> Check:
    """The graph's bytes, which every worker holds."""
    own, other = len(challenger.model), None if champion is None else len(champion.model)
    beside = "" if other is None else f" (champion {other:,})"
    passed = own <= max(_SMALL_BYTES, LARGER * (other or 0))
    return Check("size", passed, f"{own:,} bytes{beside}", {"bytes": [own, other]})


def golden(challenger: Bundle) -> Check:
    """The golden rows, by the service's own check, from raw records on."""
    session = session_of(challenger)
    names = [output.name for output in session.get_outputs()]

    def run(rows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(names, {INPUT: rows}), strict=True))

    count = len(challenger.golden.records)
    try:
        challenger.check_golden(run)
    except BundleRefused as error:
        return Check("golden", False, str(error), {"rows": count})
    return Check("golden", True, f"all {count} golden rows are reproduced", {"rows": count})


def activations(challenger: Bundle, p_values: Callable[[Bundle], Array]) -> Check:
    """The challenger's own layers: finite, neither dead nor burst, and at home with golden rows."""
    for number, member in enumerate(challenger.manifest.reference):
        rows = zip(member.mean, member.variance, member.saturated, strict=True)
        for layer, (mean, variance, saturated) in enumerate(rows, start=1):
            place = f"member {number}, layer {layer}"
            figures: dict[str, JsonValue] = {"variance": variance, "saturated": saturated}
            if not all(map(math.isfinite, (mean, variance, saturated))):
                return Check("activations", False, f"{place}: its statistics are no numbers", {})
            if not _DEAD <= variance <= _BURST:
                return Check("activations", False, f"{place}: variance {variance:.3g}", figures)
            if saturated > _SATURATED:
                text = f"{place}: {saturated:.1%} of its units are saturated"
                return Check("activations", False, text, figures)
    found = np.asarray(p_values(challenger))
    familiar = float((found >= _FAMILIAR_P).mean()) if np.isfinite(found).all() else 0.0
    variances = [value for member in challenger.manifest.reference for value in member.variance]
    return Check(
        "activations",
        familiar >= _FAMILIAR_SHARE,
        f"variances {min(variances):.3g} to {max(variances):.3g}; {familiar:.0%} of the golden rows have"
        f" a p-value of {_FAMILIAR_P} or more",
        {"variance": [min(variances), max(variances)], "familiar": familiar},
    )
