"""What the gate checks of a bundle itself: its graph, its activations, and what it takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import JsonValue

from models.bundle.loading import Bundle
from models.errors import BundleRefused
from models.health.detector import Detector
from models.networks.outputs import INPUT, SQUASHED, TAPS
from training.errors import TrainingError
from training.evaluation.metrics import wilson
from training.networks.export import all_outputs, reopened

Array = NDArray[np.floating]

#: Numbers of rows that are timed, and the seconds that each may take whatever the champion takes.
_SECONDS, _RUNS = {1: 0.002, 256: 0.25}, 15
#: How many times slower and larger than the champion a challenger may be; small graphs always pass.
_SLOWER, _LARGER, _SMALL_BYTES = 2.0, 2.0, 64 * 1024 * 1024
#: Outside these variances a layer is dead or its activations explode; above this share, saturated.
_DEAD, _EXPLODING, _SATURATED = 1e-4, 1e3, 0.99
#: So many of the data's rows are judged by the served detector; this share of them needs a p-value of
#: at least this size. Of rows like those of the reference .99 have one.
_REAL_ROWS, _FAMILIAR_SHARE, _FAMILIAR_P = 2000, 0.9, 0.01
#: So many of the things that would newly be refused are named.
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One check's outcome, as a sentence and as figures."""

    name: str
    passed: bool
    summary: str
    figures: dict[str, JsonValue]


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


def real_p_values(challenger: Bundle, raw: NDArray[np.float32]) -> NDArray[np.float64]:
    """P-values of some of the raw feature rows ``(n, F)`` by the served detector.

    Raises ``TrainingError`` if the bundle has no taps.
    """
    if challenger.reference is None:
        raise TrainingError("the challenger gives no taps, by which its layers could be examined")
    rows = raw[:: -(-len(raw) // _REAL_ROWS)]
    inner = (SQUASHED,) if challenger.reference.inputs is not None else ()
    session = reopened(challenger.model, inner)
    names = [TAPS, *inner]
    outputs = dict(zip(names, session.run(names, {INPUT: rows}), strict=True))
    return Detector(challenger.reference).p_values(outputs)


def activations(challenger: Bundle, p_values: Array) -> Check:
    """Whether every layer is finite, neither dead nor exploding, and real rows look familiar.

    The layers' statistics are those of held-out rows. ``p_values`` ``(n,)`` are real rows': golden
    rows, which mix columns independently, need not look like the data.
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
    low, high = wilson(round(familiar * len(p_values)), len(p_values))
    variances = [value for member in challenger.manifest.reference for value in member.variance]
    return Check(
        "activations",
        familiar >= _FAMILIAR_SHARE,
        f"variances {min(variances):.3g} to {max(variances):.3g}; {familiar:.1%} of {len(p_values)} rows"
        f" of the training data (95 % interval {low:.1%} to {high:.1%}) have a p-value of {_FAMILIAR_P}"
        " or more",
        {"variance": [min(variances), max(variances)], "familiar": familiar},
    )


def schema(challenger: Bundle, champion: Bundle | None) -> Check:
    """What the champion takes and the challenger would refuse: columns, categories, missing values."""
    mine, theirs = _columns(challenger), {} if champion is None else _columns(champion)
    refused = [
        f"records without column {name}, which is new" for name in mine if theirs and name not in theirs
    ]
    for name, old in theirs.items():
        if name not in mine:
            refused.append(f"lists with a value of column {name}, which is gone")
            continue
        new = mine[name]
        if old["optional"] and not new["optional"]:
            refused.append(f"a missing value in column {name}")
        if old["kind"] == "number" and new["kind"] == "category" and not new["other"]:
            refused.append(f"numbers in column {name} that are none of its categories")
        if old["kind"] == "category" and new["kind"] == "number":
            refused.append(f"the categories of column {name}, which has numbers now")
        if old["kind"] == new["kind"] == "category" and not new["other"]:
            gone = [value for value in old["values"] if value not in new["values"]]
            refused += [f"{value!r} in column {name}" for value in gone]
            refused += [f"an unknown value in column {name}"] if old["other"] else []
    named = ", ".join(refused[:_MOST_NAMED])
    more = f" and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
    text = "nothing that the champion takes is refused"
    if refused:
        text = (
            f"would newly be refused: {named}{more}; train on rows that have them, or use"
            " --promote always if that is meant"
        )
    figures: dict[str, JsonValue] = {"newly_refused": list[JsonValue](refused)}
    return Check("schema", not refused, text, figures)


def _columns(bundle: Bundle) -> Mapping[str, Any]:
    """A table's columns by name; none of other bundles, whose records never change."""
    columns: Any = bundle.manifest.featurizer.parameters.get("columns", [])
    return {column["name"]: column for column in columns}


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
            outputs = bundles[column].manifest.outputs
            sessions[column].run(list(outputs), {INPUT: blocks[column]})
            seconds[run, column] = perf_counter() - started
        median = np.median(seconds[2:], axis=0).tolist()  # the first runs allocate memory
        own, other = median[0], None if champion is None else median[1]
        passed &= own <= max(bound, _SLOWER * (other or 0.0))
        figures[f"seconds_{rows}"] = [own, other]
        beside = "" if other is None else f" (champion {other * 1e3:.3f})"
        texts.append(f"{rows} row{'s' * (rows != 1)} in {own * 1e3:.3f} ms{beside}")
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
