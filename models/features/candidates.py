"""Pulsar candidates: eight statistics of a folded profile and its DM-SNR curve.

The order is that of HTRU2's data file (Lyon et al. 2016, MNRAS 459, 1104). The names are those
of its ARFF header: the Readme swaps skewness and kurtosis, see the data notes of the README.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import FeaturizerError
from models.features.base import Accepted, Features, Outcome, Rejected

NAMES = (
    "profile_mean",
    "profile_stdev",
    "profile_skewness",
    "profile_kurtosis",
    "dm_mean",
    "dm_stdev",
    "dm_skewness",
    "dm_kurtosis",
)
WIDTH = len(NAMES)
_by_name = itemgetter(*NAMES)
# The least number that float32 rounds to infinity: half a step above its largest.
_FLOAT32_LIMIT = 2.0**128 - 2.0**103
# A candidate that is read has nothing to tell, so all of them share one outcome.
_ACCEPTED = Accepted({})


class CandidateFeaturizer:
    """``pulsar-1``: a record is eight finite numbers in file order, or a mapping by name.

    Takes no parameters. Features are the numbers themselves, as float32.
    """

    identifier = "pulsar-1"
    names = NAMES

    def __init__(self, parameters: Mapping[str, object] | None = None) -> None:
        """Raises ``FeaturizerError`` for any parameter: this kind has none."""
        if parameters:
            raise FeaturizerError(
                f"featurizer {self.identifier} takes no parameters, got {', '.join(parameters)}"
            )
        self.parameters: dict[str, object] = {}

    def featurize(self, records: Sequence[object] | NDArray[np.number]) -> Features:
        """Rows of shape ``(accepted, 8)``; an array of shape ``(n, 8)`` is read without a loop."""
        block = _read_together(records)
        if block is None:
            return _read_singly(records)
        rows = _to_float32(block)
        sound: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
        if sound.all():
            return Features(rows, [_ACCEPTED] * len(rows))
        outcomes: list[Outcome] = [_ACCEPTED] * len(rows)
        for index in np.flatnonzero(~sound).tolist():
            outcomes[index] = Rejected(_fault(block[index].tolist()))
        return Features(np.ascontiguousarray(rows[sound]), outcomes)


def _to_float32(block: NDArray[np.number]) -> NDArray[np.float32]:
    """The cast, with what float32 cannot hold left as an infinity for the caller to reject."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(block, dtype=np.float32)


def _read_together(records: Sequence[object] | NDArray[np.number]) -> NDArray[np.number] | None:
    """All records as one ``(n, 8)`` array, or None where one of them needs a closer look.

    Types are checked first because numpy would read True as 1 and "1.5" as 1.5 in silence.
    """
    if isinstance(records, np.ndarray):
        numeric = records.dtype.kind in "fiu"
        return records if numeric and records.shape[1:] == (WIDTH,) else None
    kinds = set(map(type, records))
    if not kinds <= {list, tuple, dict}:
        return None
    lists: Sequence[Any] = records
    if not set(map(len, lists)) <= {WIDTH}:
        return None
    if dict in kinds:
        try:
            lists = [_by_name(record) if type(record) is dict else record for record in lists]
        except KeyError:
            return None
    if not set(map(type, chain.from_iterable(lists))) <= {float, int}:
        return None
    numbers: Iterable[float] = chain.from_iterable(lists)
    try:
        flat = np.fromiter(numbers, np.float64, len(lists) * WIDTH)
    except OverflowError:  # an int of hundreds of digits
        return None
    return flat.reshape(-1, WIDTH)


def _read_singly(records: Sequence[object] | NDArray[np.number]) -> Features:
    """The careful path: one record after the other, each with its own verdict."""
    rows: list[Sequence[object]] = []
    outcomes: list[Outcome] = []
    for record in records:
        values = _values(record)
        fault = values if isinstance(values, str) else _fault(values)
        if fault:
            outcomes.append(Rejected(fault))
        else:
            rows.append(values)
            outcomes.append(_ACCEPTED)
    block = np.array(rows, dtype=np.float64).reshape(-1, WIDTH)
    return Features(_to_float32(block), outcomes)


def _values(record: object) -> Sequence[object] | str:
    """The record's eight values in file order, or what is wrong with its shape."""
    if isinstance(record, Mapping):
        unknown = [str(name) for name in record if name not in NAMES]
        if unknown:
            return f"unknown feature {_shown(unknown[0])}; the names are {', '.join(NAMES)}"
        missing = [name for name in NAMES if name not in record]
        if missing:
            return f"feature {missing[0]} is missing; give all of {', '.join(NAMES)}"
        return [record[name] for name in NAMES]
    if isinstance(record, np.ndarray) and record.ndim == 1:
        record = record.tolist()
    if not isinstance(record, (list, tuple)):
        return (
            f"a candidate is a list of {WIDTH} numbers or an object with their names, "
            f"not {_kind(record)}"
        )
    if len(record) != WIDTH:
        return f"{WIDTH} features expected, {len(record)} given"
    return record


def _fault(values: Sequence[object]) -> str:
    """What is wrong with the first value that cannot be used, naming it; empty where none is."""
    for position, (name, value) in enumerate(zip(NAMES, values, strict=True), start=1):
        where = f"feature {name} (position {position})"
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
            return f"{where} is {_kind(value)}; give a finite number"
        try:
            number = float(value)
        except OverflowError:  # an int of hundreds of digits
            number = _FLOAT32_LIMIT
        if not isfinite(number):
            return f"{where} is {number}; give a finite number"
        if abs(number) >= _FLOAT32_LIMIT:
            return f"{where} is beyond a 32-bit float, which ends at 3.4e38"
    return ""


def _kind(value: object) -> str:
    """A client's word for a value of the wrong type."""
    if value is None:
        return "null"
    if isinstance(value, (bool, np.bool_)):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Real):
        return "a number"
    return f"a {type(value).__name__}"


def _shown(text: str) -> str:
    """A client's own word, short enough to repeat."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
