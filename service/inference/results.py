"""The result of each record, in the form that HTTP and offline scoring share.

``results_of`` makes the results of any records. If every record was accepted and has no details,
``answers/json_writing`` writes the same results as JSON.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from models.features import NotApplicable, Outcome, Rejected
from models.networks.outputs import MEMBER_LOGIT
from service.errors import InvalidRequest
from service.inference.answers.decision import Decision
from service.inference.answers.quantities import Told, quantities_of

#: The levels of an assay's result, from the lowest.
LEVELS = ("low", "elevated", "active")


def shown(
    probability: NDArray[np.floating], thresholds: NDArray[np.float64], exclusive: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | NDArray[np.intp]]:
    """Return the probabilities rounded to nine places, and the calls made from the rounded values.

    Both have shape ``(n, T)``: a target is called from its threshold on. With ``exclusive`` the calls
    have shape ``(n,)`` and are the index of the most probable class.
    """
    rounded = probability.astype(np.float64).round(9)
    return rounded, rounded.argmax(axis=1) if exclusive else rounded >= thresholds


def levels_of(rounded: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the index in ``LEVELS`` of each of the probabilities ``(n, T)`` as they are shown."""
    return np.asarray((rounded >= levels[0]).astype(np.intp) + (rounded >= levels[1]))


def intervals_of(
    outputs: Mapping[str, NDArray[np.floating]], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities ``(n, T, 2)`` between which nine of ten refits would answer.

    The members' deviation makes half of each, about the calibrated logit (``Spread``). Raises
    ``InvalidRequest`` if the graph does not give the members' logits.
    """
    if MEMBER_LOGIT not in outputs:
        raise InvalidRequest("the model's graph gives no members' logits, so there are no intervals")
    variance = outputs[MEMBER_LOGIT].var(axis=1, ddof=1, dtype=np.float64)
    half = spread[0] * np.sqrt((variance + np.square(spread[1])) / 2)
    logit = outputs["logit"].astype(np.float64)
    ends = np.stack([logit - half, logit + half], axis=-1)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * ends))).round(9)


def results_of(
    records: Sequence[object],
    outcomes: Sequence[Outcome],
    outputs: Mapping[str, NDArray[np.floating]],
    targets: Sequence[str],
    decision: Decision,
    *,
    echo: bool,
    exclusive: bool = False,
) -> list[dict[str, object]]:
    """Return one result per record, in order; ``outputs`` has one row per accepted record.

    A record that is not applicable has a status of its own, the reason, and its details. A row beyond
    its bounds is ``suspect``; the others have no such field. Of quantities a result has values and
    intervals instead of probabilities and calls.

    ``p_value`` is null if the outputs have none, as those of a model without taps. With ``echo`` a
    record that is a string is repeated as ``smiles``. With ``exclusive`` the targets are mutually
    exclusive classes, and the call is the name of the most probable one.
    """
    rows: Iterator[tuple[Told | None, float | None, bool]] = iter(())
    if outputs:
        if decision.decimals is None:
            told = _calls_of(outputs, targets, decision, exclusive=exclusive)
        else:
            told = quantities_of(outputs, targets, decision.decimals)
        p_values = outputs.get("p_value")
        suspects = outputs.get("suspect")
        rows = zip(
            told,
            [None] * len(told) if p_values is None else p_values.tolist(),
            [False] * len(told) if suspects is None else (suspects > 0).tolist(),
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
        elif isinstance(outcome, NotApplicable):
            result["status"] = "not_applicable"
            result["message"] = outcome.message
            result.update(outcome.details)
        else:
            fields, p_value, suspect = next(rows)
            if outcome.details:
                result.update(outcome.details)
            if fields is not None:
                result |= fields
                result["p_value"] = p_value
                if suspect:
                    result["suspect"] = True
            else:  # JSON has no NaN
                result["status"] = "error"
                result["message"] = "the network gave no finite number for this record"
        results.append(result)
    return results


def _calls_of(
    outputs: Mapping[str, NDArray[np.floating]],
    targets: Sequence[str],
    decision: Decision,
    *,
    exclusive: bool,
) -> list[Told | None]:
    """Return probabilities, calls and what else there is of each row; None if one is not finite."""
    probability, calls = shown(outputs["probability"], decision.thresholds, exclusive)
    return [
        {
            "probability": dict(zip(targets, probabilities, strict=True)),
            "call": targets[call] if isinstance(call, int) else dict(zip(targets, call, strict=True)),
            **more,
        }
        if isfinite(sum(probabilities))
        else None
        for probabilities, call, more in zip(
            probability.tolist(),
            calls.tolist(),
            _more(outputs, probability, targets, decision),
            strict=True,
        )
    ]


def _more(
    outputs: Mapping[str, NDArray[np.floating]],
    rounded: NDArray[np.float64],
    targets: Sequence[str],
    decision: Decision,
) -> list[dict[str, object]]:
    """Return the level and the interval of each row, as far as there are any."""
    more: list[dict[str, object]] = [{} for _ in rounded]
    if decision.levels is not None:
        for row, own in zip(more, levels_of(rounded, decision.levels).tolist(), strict=True):
            row["level"] = {name: LEVELS[level] for name, level in zip(targets, own, strict=True)}
    if decision.spread is not None:
        for row, ends in zip(more, intervals_of(outputs, decision.spread).tolist(), strict=True):
            row["interval"] = dict(zip(targets, ends, strict=True))
    return more
