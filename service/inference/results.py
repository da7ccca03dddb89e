"""What is said of each record: the one form that every way of asking gives, HTTP or not.

``results_of`` says it of any record. Where every record was read and has nothing to tell but numbers,
``Writing`` writes the same as JSON: a column of numbers at a time and the names between them, at a
fifth of the time that an object for every row takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.features import Outcome, Rejected

_encode = msgspec.json.Encoder().encode


class Writing:
    """Writes results of one model's targets as JSON, byte for byte as those of ``results_of``."""

    def __init__(self, targets: Sequence[str], exclusive: bool) -> None:
        opening = [_encode(target) + b":" for target in targets]
        between = [b"," + name for name in opening[1:]]
        #: What stands before each number of a result, and after the last.
        self._names = [
            b'{"status":"ok","probability":{' + opening[0],
            *between,
            *([b'},"call":'] if exclusive else [b'},"call":{' + opening[0], *between]),
            b',"p_value":' if exclusive else b'},"p_value":',
        ]
        self._classes = [_encode(target) for target in targets] if exclusive else None
        self._end = b"},"
        self._step = 2 * len(self._names) + 1

    def pieces(
        self, outputs: Mapping[str, NDArray[np.floating]], thresholds: NDArray[np.float64]
    ) -> list[bytes] | None:
        """The results of all rows in pieces, to be joined; None where a number is none for JSON."""
        probability, called = shown(outputs["probability"], thresholds, self._classes is not None)
        p_value, rows = outputs.get("p_value"), len(probability)
        if not isfinite(probability.sum() + (0.0 if p_value is None else p_value.sum())):
            return None
        columns = [_written(column) for column in probability.T.tolist()]
        if self._classes is None:
            columns += [_written(column) for column in called.T.tolist()]
        else:
            columns.append([self._classes[place] for place in called.tolist()])
        columns.append([b"null"] * rows if p_value is None else _written(p_value.tolist()))
        step = self._step
        pieces = [self._end] * (rows * step)
        for place, (name, column) in enumerate(zip(self._names, columns, strict=True)):
            pieces[2 * place :: step] = [name] * rows
            pieces[2 * place + 1 :: step] = column
        return pieces

    def joined(self, pieces: list[bytes], start: int, stop: int) -> bytes:
        """A JSON array of the results of some rows, at least one."""
        part = pieces[start * self._step : stop * self._step]
        part[-1] = b"}"
        return b"[" + b"".join(part) + b"]"


def _written(column: list[float]) -> list[bytes]:
    """Each number of a column as JSON."""
    return _encode(column)[1:-1].split(b",")


@lru_cache(maxsize=64)
def writing(targets: tuple[str, ...], exclusive: bool) -> Writing:
    """The writing for these targets, which are classes if they are exclusive."""
    return Writing(targets, exclusive)


def is_plain(outcomes: Sequence[Outcome]) -> bool:
    """Whether all records were read, and none has anything to tell of its reading.

    Those that have nothing share one outcome, which makes this quick.
    """
    first = outcomes[0]
    return (
        not isinstance(first, Rejected) and not first.details and outcomes.count(first) == len(outcomes)
    )


def shown(
    probability: NDArray[np.floating], thresholds: NDArray[np.float64], exclusive: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | NDArray[np.intp]]:
    """Probabilities as they are shown, and the calls by what is shown.

    A float32 is shown as the shortest decimal that is it to nine places. The call is a boolean for
    each target, or the place of the most probable of exclusive ones.
    """
    rounded = probability.astype(np.float64).round(9)
    return rounded, rounded.argmax(axis=1) if exclusive else rounded >= thresholds


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

    Where they have no ``p_value``, as of a model without taps, it is null.
    ``echo`` repeats a record that is a string, as ``smiles``. With ``exclusive`` the targets are
    classes, and the call is the name of the most probable.
    """
    rows: Iterator[tuple[list[float], list[bool] | int, float | None]] = iter(())
    if outputs:
        probability, calls = shown(outputs["probability"], thresholds, exclusive)
        p_values = outputs.get("p_value")
        rows = zip(
            probability.tolist(),
            calls.tolist(),
            [None] * len(calls) if p_values is None else p_values.tolist(),
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
            found, call, p_value = next(rows)
            if outcome.details:
                result.update(outcome.details)
            if isfinite(sum(found)):
                result["probability"] = dict(zip(targets, found, strict=True))
                result["call"] = (
                    targets[call] if isinstance(call, int) else dict(zip(targets, call, strict=True))
                )
                result["p_value"] = p_value
            else:  # JSON has no NaN, and a client has no use for one
                result["status"] = "error"
                result["message"] = "the network gave no finite number for this record"
        results.append(result)
    return results
