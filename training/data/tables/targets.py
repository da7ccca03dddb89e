"""A table's target column as labels: one target, or one per class."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.categories import as_category
from models.features.tabular.cells import number
from models.features.tabular.formats import MISSING, Marks, are_truths, truth
from training.data.dataset import Standard
from training.data.tables.files.table import Table
from training.data.tables.files.typed import Unreadable
from training.errors import DataError

#: Words for yes and no. A target of these is named after its column.
_YES = {"1": "0", "true": "false", "yes": "no", "y": "n", "t": "f", "positive": "negative"}
_YES |= {"active": "inactive"}
_MARKS, _TWO = Marks(), 2
#: The class that rare ones are merged into.
_OTHER = "other"
FEWEST_ROWS, FEWEST_OF_CLASS, MOST_CLASSES = 100, 10, 100


@dataclass(frozen=True, slots=True)
class Targets:
    """Numbers of the n rows with a value, their labels ``(n, T)``, T names, and rows by class.

    Of a quantity labels are standardised, and there are no classes. ``rare`` rows of small classes were
    taken out; ``notices`` say how classes were read.
    """

    rows: list[int]
    labels: NDArray[np.float32]
    names: tuple[str, ...]
    counts: dict[str, int]
    standard: Standard | None = None
    rare: int = 0
    notices: tuple[str, ...] = ()


def read_targets(
    table: Table, column: str, positive: str | None, marks: Marks = _MARKS, rare: str | None = None
) -> Targets:
    """Read a column of the table as classes; raises ``DataError`` if it cannot be learned.

    Two classes make one target, 1 for ``positive`` (by default the second class); more make one each.
    ``rare``: whether the rows of classes that are too small are dropped, or these merged into one.
    """
    place = f"{table.name}, column {column}"
    words, notices = _one_spelling(column, _words(table.columns[column], marks))
    missing, dropped = words.count(None), 0
    if rare is not None:
        words = _without_rare(words, rare)
        dropped = words.count(None) - missing
    rows = [row for row, word in enumerate(words) if word is not None]
    counts = Counter(word for word in words if word is not None)
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{table.name} has {len(rows)} rows with a value in {column}; at least {FEWEST_ROWS} are"
            " needed"
        )
    if len(counts) == 1:
        others = _but_missing(table.columns[column], missing)
        raise DataError(
            f"{place}: every row is {next(iter(counts))!r}{others};"
            " a target has two classes or more, or is a quantity (--task regression) whose values differ"
        )
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"{place}: {len(counts):,} different values are no classes, at most {MOST_CLASSES};"
            " --task regression learns numbers, and others must be put into groups first"
        )
    classes = sorted(counts, key=_order)
    if len(classes) == _TWO and _YES.get(classes[0].lower()) == classes[1].lower():
        classes.reverse()  # YES stands before no
    rarest = min(classes, key=lambda name: counts[name])
    if counts[rarest] < FEWEST_OF_CLASS and rare == "merge":
        raise DataError(
            f"{place}: all small classes together have {counts[rarest]} rows, at least"
            f" {FEWEST_OF_CLASS} are needed; --rare drop takes them out"
        )
    if counts[rarest] < FEWEST_OF_CLASS:
        raise DataError(
            f"{place}: {rarest!r} has {_rows_of(table, words, rarest)}, at least {FEWEST_OF_CLASS} are"
            " needed;"
            " --rare merge puts small classes together, --rare drop takes their rows out, --task"
            " regression learns numbers as they are"
        )
    codes = np.array([classes.index(str(words[row])) for row in rows])
    by_class = {name: counts[name] for name in classes}
    if len(classes) > 2:
        if positive is not None:
            raise DataError(f"--positive is for two classes; column {column} has {len(classes)}")
        labels = np.eye(len(classes), dtype=np.float32)[codes]
        return Targets(rows, labels, tuple(classes), by_class, rare=dropped, notices=notices)
    no, yes = classes
    said = None if positive is None else _class_of(positive, classes)
    if positive is not None and said is None:
        raise DataError(f"--positive {positive}: column {column} has {no!r} and {yes!r}")
    plain = said is None and (_YES.get(yes.lower()) == no.lower() or (yes, no) == ("1", "-1"))
    name = column if plain else said or yes
    labels = (codes == classes.index(said or yes)).astype(np.float32)[:, None]
    return Targets(rows, labels, (name,), by_class, rare=dropped, notices=notices)


def _class_of(said: str, classes: list[str]) -> str | None:
    """The class that an option means: as it is written, or else in another spelling of it alone."""
    ways: tuple[Callable[[str], object], ...] = (str, str.strip, number, str.casefold)
    if are_truths({*classes, said}) or {*classes} == {"0", "1"}:
        ways = (*ways, truth)
    for way in ways:
        same = [name for name in classes if way(name) == way(said)]
        if len(same) == 1:
            return same[0]
    return None


def _one_spelling(column: str, words: list[str | None]) -> tuple[list[str | None], tuple[str, ...]]:
    """Words that differ in case alone are one class, by its most frequent spelling; with a sentence.

    Single letters are codes, in which the case may tell.
    """
    spellings: dict[str, Counter[str]] = {}
    for word in words:
        if word is not None and len(word) > 1:
            spellings.setdefault(word.casefold(), Counter())[word] += 1
    several = [counts for counts in spellings.values() if len(counts) > 1]
    if not several:
        return words, ()
    chosen = {word: min(counts, key=lambda w: (-counts[w], w)) for counts in several for word in counts}
    shown = "; ".join(" and ".join(map(repr, sorted(counts)[:4])) for counts in several[:4])
    notice = f"column {column}: classes that differ in capitals alone are taken as one: {shown}"
    return [None if word is None else chosen.get(word, word) for word in words], (notice,)


def _but_missing(cells: list[object], missing: int) -> str:
    """What to say of rows that are taken to have no value, where the words may have been a class."""
    texts = Counter(cell.strip() for cell in cells if isinstance(cell, str))
    marks = [text for text in texts if text and text in MISSING]
    if not marks:
        return ""
    return f", and {missing:,} are missing, such as {marks[0]!r}, which must be renamed to be a class"


def _rows_of(table: Table, words: list[str | None], word: str) -> str:
    """How many rows have a class, and the places of a few."""
    rows = [row for row, each in enumerate(words) if each == word]
    shown = ", ".join(str(table.lines[row]) for row in rows[:3])
    more = ", …" if len(rows) > 3 else ""
    return f"{len(rows)} row{'s' * (len(rows) > 1)} ({table.place} {shown}{more})"


def _words(cells: list[object], marks: Marks) -> list[str | None]:
    """Each row's class; numbers are written in their shortest form, so that 1 and 1.0 are one class."""
    if any(isinstance(cell, Unreadable) for cell in cells):
        return [None] * len(cells)
    texts = [marks.text(cell) if isinstance(cell, str) else as_category(cell) for cell in cells]
    values = [number(text) if text is not None else None for text in texts]
    if all(value is None or isinstance(value, float) for value in values):
        words = [None if value is None else f"{value:.12g}" for value in values]
        return [None if word is None else marks.text(word) for word in words]
    known = {text for text in texts if text is not None}
    if len(known) > 1 and are_truths(known) and not _is_pair(known):  # true, True and TRUE; True and 0
        return [None if text is None else ("true" if truth(text) else "false") for text in texts]
    return texts


def _is_pair(words: set[str]) -> bool:
    """Whether they are one word for yes and its own for no, which keep their names."""
    low = {word.lower() for word in words}
    return len(words) == _TWO and any(low == set(pair) for pair in (*_YES.items(), ("on", "off")))


def _without_rare(words: list[str | None], rare: str) -> list[str | None]:
    counts = Counter(word for word in words if word is not None)
    few = {word for word, rows in counts.items() if rows < FEWEST_OF_CLASS}
    instead = None if rare == "drop" else _OTHER
    return [instead if word in few else word for word in words]


def _order(name: str) -> tuple[float, str]:
    value = number(name)
    return (value if isinstance(value, float) else float("inf"), name)
