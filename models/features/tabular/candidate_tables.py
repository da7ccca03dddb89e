"""Tables of pulsar candidates: the names that their columns go by, and moments that are mixed up.

Names: PulsarFeatureLab and the ARFF file of HTRU2 (``Profile_mean`` …), UCI's description and Kaggle's
``pulsar_stars.csv`` (``Mean of the integrated profile`` …), Kaggle's playground series s3e10
(``Mean_Integrated``, ``SD``, ``EK`` …). The last two call the third column excess kurtosis and the
fourth skewness, and hold them the other way round, as UCI's Readme does: their names stand for the
columns of the file. Tables whose values do agree with such names are recognised by their moments.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features.files.arff import CANDIDATE
from models.features.tabular.pulsar import NAMES, impossible

CLASS = "class"
#: The codes of warnings of a whole table.
EXCHANGED, NOT_IN_EXCESS = "moments_exchanged", "kurtosis_not_in_excess"
#: The names of the eight columns in the file's order, as lower-case words: UCI's and Kaggle's, those of
#: the playground series, and two that are common in notebooks. The names here come first.
_SPELLINGS = (
    tuple(name.replace("_", " ") for name in NAMES),
    *(
        (
            *(f"{moment} of the integrated profile" for moment in moments),
            *(f"{moment} of the dm snr curve" for moment in moments),
        )
        for moments in (
            ("mean", "standard deviation", "excess kurtosis", "skewness"),
            ("mean", "std", "kurtosis", "skewness"),
        )
    ),
    (
        "mean integrated",
        "sd",
        "ek",
        "skewness",
        "mean dmsnr curve",
        "sd dmsnr curve",
        "ek dmsnr curve",
        "skewness dmsnr curve",
    ),
    ("mean ip", "sd ip", "ek ip", "skw ip", "mean dm", "sd dm", "ek dm", "skw dm"),
    (
        "ip mean",
        "ip std",
        "ip kurtosis",
        "ip skewness",
        "dm snr mean",
        "dm snr std",
        "dm snr kurtosis",
        "dm snr skewness",
    ),
)
_CLASSES = ("class", "target class", "target", "label", "is pulsar")
#: Words for the classes, in lower case.
POSITIVE = frozenset(("1", "1.0", "true", "yes", "pulsar", "positive", "psr", "p", "known pulsar"))
NEGATIVE = frozenset(
    ("0", "0.0", "false", "no", "rfi", "noise", "non-pulsar", "nonpulsar", "non pulsar", "not pulsar",
     "not a pulsar", "negative", "rfi/noise", "noise/rfi", "rfi / noise", "n")
)  # fmt: skip

#: Fewer rows than this do not tell of a table, and more tell no more; the shares of rows that do.
FEWEST_ROWS, _MOST_ROWS = 20, 4096
_NEARLY_ALL, _FEW, _MANY = 0.99, 0.02, 0.25


@dataclass(frozen=True, slots=True)
class TableWarning:
    """What is odd about a whole table."""

    code: str
    message: str


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


_ALIASES = {name: place for names in reversed(_SPELLINGS) for place, name in enumerate(names)}


def renamed(columns: Sequence[str]) -> list[str]:
    """Columns by this project's names, those that are known by any; a name that is taken stays."""
    taken = {name.lower() for name in columns if name.lower() in NAMES}
    found: list[str] = []
    for column in columns:
        place = _ALIASES.get(_plain(column))
        name = NAMES[place] if place is not None else CLASS if _plain(column) in _CLASSES else column
        if name != column and (name in found or (name in taken and column.lower() != name)):
            name = column
        found.append(name)
    return found


def positional(cells: Sequence[str]) -> list[str] | None:
    """The names of the columns of a table whose first line is a candidate; None for a header.

    A candidate is eight numbers in the file's order, perhaps after its name (as PulsarFeatureLab writes
    it), then its class and anything.
    """
    for first in (0, 1):
        values = cells[first : first + len(NAMES)]
        if len(values) == len(NAMES) and all(map(_is_number, values)):
            before = [CANDIDATE][:first]
            after = [CLASS, *(f"column_{at + 1}" for at in range(first + len(NAMES) + 1, len(cells)))]
            return [*before, *NAMES, *after][: len(cells)]
    return None


def class_of(value: object) -> float | None:
    """0 or 1 for a class as a number, a boolean or a word; None for anything else."""
    word = str(value).strip().lower().replace("_", " ")
    return 1.0 if word in POSITIVE else 0.0 if word in NEGATIVE else None


def warnings_of(rows: NDArray[np.float64]) -> list[TableWarning]:
    """What is odd about candidates ``(n, 8)`` together; nothing of fewer than ``FEWEST_ROWS``."""
    sound = rows[np.isfinite(rows).all(axis=1)]
    if len(sound) < FEWEST_ROWS:
        return []
    exchanged = sound[:, [0, 1, 3, 2, 4, 5, 7, 6]]
    as_given, other_way = impossible(sound).any(axis=1).mean(), impossible(exchanged).any(axis=1).mean()
    if as_given >= _MANY and other_way <= _FEW:
        return [
            TableWarning(
                EXCHANGED,
                f"skewness and kurtosis seem to be exchanged: {as_given:.0%} of the candidates have"
                " moments that no sample can have, and nearly none has with the two columns of each"
                " curve exchanged; UCI's description names them the wrong way round",
            )
        ]
    whole = all(
        (sound[:, kurtosis] >= 0.998 * (np.square(sound[:, skewness]) + 1)).mean() >= _NEARLY_ALL
        for skewness, kurtosis in ((2, 3), (6, 7))
    )
    if whole:
        return [
            TableWarning(
                NOT_IN_EXCESS,
                "the kurtosis seems not to be in excess of a normal distribution's: it is at least"
                " skewness² + 1 in all candidates, as in LOTAAS's tables; subtract 3 from both"
                " columns of kurtosis",
            )
        ]
    return []


def table_warnings(
    fields: tuple[str, ...], records: Sequence[Any] | NDArray[np.float64]
) -> list[TableWarning]:
    """What is odd about records, lists or mappings, of values by these names; never raises."""
    if fields != NAMES or len(records) < FEWEST_ROWS:
        return []
    if isinstance(records, np.ndarray):
        return warnings_of(records)
    rows = [_row(record) for record in records[:_MOST_ROWS]]
    return warnings_of(np.array([row for row in rows if row is not None]).reshape(-1, len(NAMES)))


def _row(record: Any) -> list[float] | None:
    if isinstance(record, dict):
        record = [record.get(name) for name in NAMES]
    if not isinstance(record, (list, tuple)) or len(record) != len(NAMES):
        return None
    sound = all(isinstance(value, (int, float)) for value in record)
    try:
        return [float(value) for value in record] if sound else None
    except OverflowError:
        return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
