"""Writes results as JSON without making an object of each row.

It encodes a column of numbers at a time and puts the names between them, which takes a fifth of the
time.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.features import Accepted, Outcome
from service.inference.results import shown

_encode = msgspec.json.Encoder().encode


class Writing:
    """Writes results as JSON, byte for byte as the encoder writes those of ``results_of``.

    With ``exclusive`` the ``targets`` are mutually exclusive classes.
    """

    def __init__(self, targets: Sequence[str], exclusive: bool) -> None:
        opening = [_encode(target) + b":" for target in targets]
        between = [b"," + name for name in opening[1:]]
        #: The bytes before each number of a result.
        self._names = [
            b'{"status":"ok","probability":{' + opening[0],
            *between,
            *([b'},"call":'] if exclusive else [b'},"call":{' + opening[0], *between]),
            b',"p_value":' if exclusive else b'},"p_value":',
        ]
        self._classes = [_encode(target) for target in targets] if exclusive else None
        self._end, self._suspect = b"},", b',"suspect":true},'
        self._step = 2 * len(self._names) + 1

    def pieces(
        self, outputs: Mapping[str, NDArray[np.floating]], thresholds: NDArray[np.float64]
    ) -> list[bytes] | None:
        """Return the results of all rows as pieces for ``joined``; None if a number is not finite.

        ``outputs`` are those of the graph: ``probability`` of shape ``(n, T)``, and perhaps ``p_value``
        of shape ``(n,)``. ``thresholds`` has shape ``(T,)``. Also None if a row is suspect.
        """
        suspect = outputs.get("suspect")
        if len(outputs["probability"]) == 1:
            return self._single(outputs, suspect, thresholds)
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
        if suspect is not None:
            for row in np.flatnonzero(suspect > 0).tolist():
                pieces[row * step + step - 1] = self._suspect
        return pieces

    def _single(
        self,
        outputs: Mapping[str, NDArray[np.floating]],
        suspect: NDArray[np.floating] | None,
        thresholds: NDArray[np.float64],
    ) -> list[bytes] | None:
        """The same pieces of one row: here a call of numpy takes longer than all of its numbers do."""
        numbers = outputs["probability"][0].tolist()
        p_value = outputs["p_value"].item(0) if "p_value" in outputs else None
        if not isfinite(sum(numbers) + (p_value or 0.0)):
            return None
        rounded = [round(number * 1e9) / 1e9 for number in numbers]  # as numpy does
        values = _written(rounded)
        if self._classes is None:
            pairs = zip(rounded, thresholds.tolist(), strict=True)
            values += [b"true" if number >= threshold else b"false" for number, threshold in pairs]
        else:
            values.append(self._classes[rounded.index(max(rounded))])
        values.append(b"null" if p_value is None else _encode(p_value))
        marked = suspect is not None and suspect.item(0) > 0
        pieces = [self._suspect if marked else self._end] * self._step
        pieces[:-1:2], pieces[1::2] = self._names, values
        return pieces

    def joined(self, pieces: list[bytes], start: int, stop: int) -> bytes:
        """Return the rows from ``start`` to ``stop``, at least one, as a JSON array."""
        part = pieces[start * self._step : stop * self._step]
        part[-1] = part[-1][:-1]
        return b"[" + b"".join(part) + b"]"


def _written(column: list[float]) -> list[bytes]:
    """Return each number of a column as JSON."""
    return _encode(column)[1:-1].split(b",")


@lru_cache(maxsize=64)
def writing(targets: tuple[str, ...], exclusive: bool) -> Writing:
    """Return the (cached) writing for these targets."""
    return Writing(targets, exclusive)


def is_plain(outcomes: Sequence[Outcome]) -> bool:
    """Whether all records, at least one, were accepted without details.

    Records of numbers share one outcome, so that this is quick.
    """
    first = outcomes[0]
    return isinstance(first, Accepted) and not first.details and outcomes.count(first) == len(outcomes)
