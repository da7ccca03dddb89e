"""Tables of pulsar candidates: the names that their columns go by, and moments that are mixed up.

Names: the ARFF file of HTRU2 (``Profile_mean`` …), PulsarFeatureLab's own (``Feature_1`` …), UCI's
description and Kaggle's ``pulsar_stars.csv`` (``Mean of the integrated profile`` …), Kaggle's series
s3e10 (``Mean_Integrated``, ``SD``, ``EK`` …). The last two call the third column excess kurtosis and the
fourth skewness, and hold them the other way round, as UCI's Readme does: their names stand for the
columns of the file. Tables whose values do agree with such names are recognised by their moments.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import UnreadableFile
from models.features.files.arff import CANDIDATE
from models.features.tabular.cells import as_float
from models.features.tabular.pulsar import CURVES, NAMES, impossible

CLASS = "class"
#: The codes of warnings of a whole table.
EXCHANGED, NOT_IN_EXCESS = "moments_exchanged", "kurtosis_not_in_excess"
CURVES_EXCHANGED = "curves_exchanged"
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
    ("mean integrated", "sd", "ek", "skewness",
     "mean dmsnr curve", "sd dmsnr curve", "ek dmsnr curve", "skewness dmsnr curve"),
    ("mean ip", "sd ip", "ek ip", "skw ip", "mean dm", "sd dm", "ek dm", "skw dm"),
    ("ip mean", "ip std", "ip kurtosis", "ip skewness",
     "dm snr mean", "dm snr std", "dm snr kurtosis", "dm snr skewness"),
)  # fmt: skip
#: The names in PulsarFeatureLab's own ARFF, whose kinds of features are told apart by their number.
_NUMBERED = tuple(f"feature {place}" for place in range(1, len(NAMES) + 1))
#: A number with a decimal comma.
_COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")
#: What a message says of the names of columns that are read.
ACCEPTED_NAMES = (
    f"a candidate's columns are {', '.join(NAMES)}, or their names in HTRU2's ARFF file"
    " (Profile_mean …), in PulsarFeatureLab's (Feature_1 …), in UCI's and Kaggle's"
    " tables (Mean of the integrated profile …, Mean_Integrated …), or eight numbers in this order"
    " without a header"
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
_NEARLY_ALL, _FEW, _SOME, _MANY, _MOST = 0.99, 0.02, 0.05, 0.25, 0.75
#: Fewer rows than this do not tell that a curve's skewness and kurtosis are exchanged.
_FEWEST_THAT_TELL = 3
#: Below the standard deviation of any profile of HTRU2 (24.77), whose profiles end at 255, and above
#: that of most DM-SNR curves of noise.
_PROFILE_STDEV = 24.0


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
    plain = set(map(_plain, columns))
    numbered = plain.issuperset(_NUMBERED) and f"feature {len(NAMES) + 1}" not in plain
    found: list[str] = []
    for column in columns:
        word = _plain(column)
        place = _NUMBERED.index(word) if numbered and word in _NUMBERED else _ALIASES.get(word)
        name = NAMES[place] if place is not None else CLASS if word in _CLASSES else column
        if name != column and (name in found or (name in taken and column.lower() != name)):
            name = column
        found.append(name)
    return found


def positional(cells: Sequence[str]) -> list[str] | None:
    """The names of the columns of a table whose first line is a candidate; None for a header.

    A candidate is eight numbers in the file's order, perhaps after its name (as PulsarFeatureLab writes
    it), then its class and anything. Raises ``UnreadableFile`` if the numbers count the columns, have
    decimal commas, or if a whole number is before the candidate.
    """
    if sum(_COMMA.fullmatch(cell) is not None for cell in cells) >= len(NAMES):
        raise UnreadableFile("its numbers have decimal commas; write them with points")
    numbered = [cell.strip() for cell in cells]
    if numbered[:1] == [""]:
        del numbered[0]
    if len(numbered) >= len(NAMES) and any(
        numbered == [str(at + start) for at in range(len(numbered))] for start in (0, 1)
    ):
        raise UnreadableFile(
            "the first line counts the columns from"
            f" {numbered[0]}, as pandas does of a table without names: take it out, or name them;"
            f" {ACCEPTED_NAMES}"
        )
    if _is_shifted(cells):
        raise UnreadableFile(
            f"the columns seem to be shifted by one: the first line begins with {cells[0].strip()}, and"
            " only the eight numbers after that are moments that a sample can have; take out the first"
            f" column, or name the columns; {ACCEPTED_NAMES}"
        )
    for first in (0, 1):
        values = cells[first : first + len(NAMES)]
        if len(values) == len(NAMES) and all(map(_is_number, values)):
            before = [CANDIDATE][:first]
            after = [CLASS, *(f"column_{at + 1}" for at in range(first + len(NAMES) + 1, len(cells)))]
            return [*before, *NAMES, *after][: len(cells)]
    return None


def _is_shifted(cells: Sequence[str]) -> bool:
    """Whether a row's number or its class, a whole number, is before the candidate of a line."""
    numbers = cells[: len(NAMES) + 1]
    if len(numbers) <= len(NAMES) or not all(map(_is_number, numbers)):
        return False
    values = np.array(list(map(as_float, numbers)), dtype=np.float64)
    if not (np.isfinite(values).all() and re.fullmatch(r"\s*\d+(\.0)?\s*", numbers[0])):
        return False
    here, after = (impossible(part[None]).any() for part in (values[:-1], values[1:]))
    return bool(here and not after)


def class_of(value: object) -> float | None:
    """0 or 1 for a class as a number, a boolean or a word; None for anything else."""
    word = str(value).strip().lower().replace("_", " ")
    return 1.0 if word in POSITIVE else 0.0 if word in NEGATIVE else None


def warnings_of(rows: NDArray[np.float64]) -> list[TableWarning]:
    """What is odd about candidates ``(n, 8)`` together; nothing of fewer than ``FEWEST_ROWS``."""
    finite = np.isfinite(rows)
    sound = rows if finite.all() else rows[finite.all(axis=1)]
    if len(sound) < FEWEST_ROWS:
        return []
    found = [*_moments_exchanged(sound), *_curves_exchanged(sound)]
    if found:
        return found
    whole = all(
        _share(sound[:, kurtosis] >= 0.998 * (np.square(sound[:, skewness]) + 1)) >= _NEARLY_ALL
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


def _moments_exchanged(rows: NDArray[np.float64]) -> list[TableWarning]:
    """Whether skewness and kurtosis of a curve are exchanged, by the rows possible in one order only.

    Of HTRU2's candidates none is impossible as it is; with a curve's two columns exchanged, 17 % are by
    the profile and 93 % by the DM-SNR curve.
    """
    as_given, enough = impossible(rows), max(_FEWEST_THAT_TELL, _SOME * len(rows))
    if np.count_nonzero(as_given) < enough:
        return []
    other_way = impossible(rows[:, [0, 1, 3, 2, 4, 5, 7, 6]])
    wrong, right = (as_given & ~other_way).sum(axis=0), (other_way & ~as_given).sum(axis=0)
    few = ((as_given & other_way).mean(axis=0) <= _FEW) & (right <= _FEW * wrong)
    exchanged = (wrong >= enough) & few
    if not exchanged.any():
        return []
    curves = [curve for (curve, *_), each in zip(CURVES, exchanged, strict=True) if each]
    unclear = [
        curve
        for (curve, *_), one, other, told in zip(CURVES, wrong, right, exchanged, strict=True)
        if not told and max(one, other) < enough
    ]
    share = as_given[:, exchanged].any(axis=1).mean()
    return [
        TableWarning(
            EXCHANGED,
            f"skewness and kurtosis of the {' and of the '.join(curves)} seem to be exchanged:"
            f" {share:.0%} of the candidates have moments that no sample can have, and nearly none has"
            " with the two columns exchanged"
            + "".join(f"; those of the {curve} do not tell their order" for curve in unclear)
            + "; exchange the columns, or name them profile_skewness, profile_kurtosis, dm_skewness and"
            " dm_kurtosis by what they hold: UCI's and Kaggle's names are read as in their own tables,"
            " where the column named excess kurtosis holds the skewness",
        )
    ]


def _curves_exchanged(rows: NDArray[np.float64]) -> list[TableWarning]:
    """Whether the four columns of the profile are exchanged with those of the DM-SNR curve."""
    low, means = _share(rows[:, 1] < _PROFILE_STDEV), _share(rows[:, 4] > rows[:, 0])
    if low < _MANY or means < _MOST or _share(rows[:, 5] < _PROFILE_STDEV) > 1 - _NEARLY_ALL:
        return []
    return [
        TableWarning(
            CURVES_EXCHANGED,
            "the profile's columns and those of the DM-SNR curve seem to be exchanged: the standard"
            f" deviation of {low:.0%} of the profiles is below {_PROFILE_STDEV:g}, as that"
            f" of no profile of HTRU2, and in {means:.0%} of the candidates the DM-SNR curve has the"
            " larger mean; give the profile's four values first",
        )
    ]


def _share(told: NDArray[np.bool_]) -> float:
    return np.count_nonzero(told) / len(told)


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
    return as_float(cell) is not None
