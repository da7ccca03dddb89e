"""ARFF, and rows of candidates without a header, which are written alike."""

from collections.abc import Callable, Sequence

from models.errors import UnreadableFile
from models.features.files import arff
from training.data.tables.files.delimited import lines_of
from training.data.tables.files.table import Table, column_names
from training.errors import DataError

#: Names the columns of a table whose first line is a row; None where it is a header.
Headerless = Callable[[Sequence[str]], list[str] | None]


def table_of_arff(name: str, digest: str, text: str, headerless: Headerless | None) -> Table:
    """The table of a text in ARFF; raises ``UnreadableFile`` and ``DataError``."""
    lines = lines_of(text)
    attributes, start = arff.read_header(lines)
    return _commented(name, digest, [each.name for each in attributes], lines, start, headerless)


def table_of_candidates(name: str, digest: str, text: str, headerless: Headerless) -> Table | None:
    """The table of rows without a header; None if the first line is one, or no row of ARFF's kind.

    Raises ``DataError`` naming the line of another width.
    """
    lines = lines_of(text)
    first = next((line for line in lines if not arff.is_blank(line)), "")
    try:
        names = headerless(arff.row(first)[0])
    except UnreadableFile:
        names = None
    return None if names is None else _commented(name, digest, names, lines, 0, headerless)


def _commented(
    name: str,
    digest: str,
    names: list[str],
    lines: list[str],
    start: int,
    headerless: Headerless | None,
) -> Table:
    """A table of rows as ARFF has them; the comments at the ends of candidates are a column."""
    rows: list[list[object]] = []
    numbers: list[int] = []
    comments: list[object] = []
    for number, line in enumerate(lines[start:], start=start + 1):
        if arff.is_blank(line):
            continue
        try:
            cells, comment = arff.row(line)
        except UnreadableFile as fault:
            raise DataError(f"{name}, line {number}: {fault}") from fault
        if len(cells) != len(names):
            raise DataError(
                f"{name}, line {number}: it has {len(cells)} cells, there are {len(names)} columns"
            )
        rows.append(list(cells))
        numbers.append(number)
        comments.append(comment or None)
    columns = [list(cells) for cells in zip(*rows, strict=True)] or [[] for _ in names]
    named = dict(zip(column_names(name, names, columns), columns, strict=True))
    if any(comments) and headerless is not None and arff.CANDIDATE not in named:
        named[arff.CANDIDATE] = comments
    return Table(name, digest, named, numbers)
