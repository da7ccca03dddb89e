"""What is said of each record: the one form that every way of asking gives, HTTP or not."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from models.features import Outcome, Rejected


def results_of(
    records: Sequence[object],
    outcomes: Sequence[Outcome],
    outputs: Mapping[str, NDArray[np.floating]],
    targets: Sequence[str],
    thresholds: NDArray[np.float64],
    *,
    echo: bool,
    exclusive: bool = False,
) -> list[dict[str, object]]:
    """One result per record, in order; ``outputs`` has one row per accepted record.

    ``echo`` repeats a record that is a string, as ``smiles``. With ``exclusive`` the targets are
    classes, and the call is the name of the most probable.
    """
    rows: Iterator[tuple[list[float], list[bool] | int, float]] = iter(())
    if outputs:
        # float32 as the shortest decimal that is it to nine places, and calls by what is shown.
        probability = outputs["probability"].astype(np.float64).round(9)
        called = probability.argmax(axis=1) if exclusive else probability >= thresholds
        rows = zip(
            probability.tolist(),
            called.tolist(),
            outputs["p_value"].tolist(),
            strict=True,
        )
    results: list[dict[str, object]] = []
    for record, outcome in zip(records, outcomes, strict=True):
        result: dict[str, object] = {"status": "ok"}
        if echo and isinstance(record, str):
            result["smiles"] = record
        if isinstance(outcome, Rejected):
            result["status"] = "error"
            result["message"] = outcome.message
        else:
            shown, call, p_value = next(rows)
            if outcome.details:
                result.update(outcome.details)
            if isfinite(sum(shown)):
                result["probability"] = dict(zip(targets, shown, strict=True))
                result["call"] = (
                    targets[call] if isinstance(call, int) else dict(zip(targets, call, strict=True))
                )
                result["p_value"] = p_value
            else:  # JSON has no NaN, and a client has no use for one
                result["status"] = "error"
                result["message"] = "the network gave no finite number for this record"
        results.append(result)
    return results
