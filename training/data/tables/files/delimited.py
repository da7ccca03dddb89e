"""Text tables: their encoding, what parts their cells, and their rows."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from models.features.files.separator import BLANK, separator_of
from models.features.files.text_head import is_comment, names_in_comment, quote_of
from training.errors import DataError

_DELIMITERS = ",\t;|"
#: Lines that tell what parts the cells.
_HEAD_LINES = 20


def decoded(content: bytes, notices: list[str]) -> str:
    """Decode UTF-8, UTF-16 with its mark, and a row that is neither as Windows-1252."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise DataError("the text begins as UTF-16 and is not; save it as UTF-8") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        lines = content.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
        texts = [_decoded(line) for line in lines]
        others = sum(not is_utf8 for _, is_utf8 in texts)
        notices.append(f"{others:,} rows are not UTF-8 and were read as Windows-1252")
        return "".join(text for text, _ in texts)


def _decoded(line: bytes) -> tuple[str, bool]:
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding), encoding == "utf-8"
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1"), False


def lines_of(text: str) -> list[str]:
    """The lines of a text, whatever ends them; no other sign than a line's end parts them."""
    return re.split(r"\r\n|\r|\n", text)


def first_line(text: str) -> str:
    """The first line of a text that is not blank, empty without one."""
    found = re.search(r"[^\r\n]*\S[^\r\n]*", text)
    return found[0] if found else ""


def without_separator_line(text: str) -> tuple[str, str | None]:
    """The text with a blank line in place of the line ``sep=;``, if it begins with one; and the sign."""
    beginning = text[: len(text) - len(text.lstrip("\r\n"))]
    line = re.split(r"[\r\n]", text[len(beginning) :], maxsplit=1)[0]
    named = separator_of(line)
    return (text if named is None else beginning + text[len(beginning) + len(line) :]), named


def without_comments(text: str, notices: list[str], *, tabs: bool = False) -> str:
    """The text with blank lines in place of the comments before the table; one may name its columns."""
    if not is_comment(first_line(text)):
        return text
    lines = text.split("\n")
    start = next((at for at, each in enumerate(lines) if each.strip() and not is_comment(each)), 0)
    comments = [at for at in range(start) if lines[at].strip()]
    if not comments:
        return text
    rest = "\n".join(lines[start:])
    delimiter = _delimiter(rest, tabs=tabs)
    following = [line for line in lines[start : start + _HEAD_LINES] if line.strip()]
    names = names_in_comment(lines[comments[-1]], following, partial(_split, delimiter=delimiter))
    if names is None:
        notices.append(f"left out {len(comments):,} lines of comments before the table")
    blank = ["\r" if line.endswith("\r") else "" for line in lines[:start]]
    if names is not None:
        blank[comments[-1]] = names + blank[comments[-1]]
    return "\n".join([*blank, rest])


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(_reader([line.strip()], delimiter), [])
    except csv.Error:
        return []


def _reader(lines: Iterable[str], delimiter: str, quote: str = '"') -> Iterator[list[str]]:
    """The rows of lines; blanks may stand before a quote, or part the cells, several for one."""
    return csv.reader(
        (line.strip().replace("\t", " ") for line in lines) if delimiter == BLANK else lines,
        strict=True,
        delimiter=delimiter,
        quotechar=quote,
        skipinitialspace=True,
    )


def rows_of_text(
    name: str, text: str, *, tabs: bool = False, delimiter: str | None = None
) -> tuple[list[list[str]], list[int]]:
    """The rows of a text, blank ones left out, and their lines; raises ``DataError``.

    ``delimiter`` is what parts the cells, where that is known.
    """
    if not text.strip():
        raise DataError(f"{name} is empty; its first line should name the columns")
    rows: list[list[str]] = []
    lines: list[int] = []
    start = 1
    delimiter = delimiter or _delimiter(text, tabs=tabs)
    quote = quote_of(first_line(text).split(delimiter))
    reader: Any = _reader(io.StringIO(text, newline=""), delimiter, quote)
    try:
        for row in reader:
            if any(map(str.strip, row)):
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        way_out = "; write \\" + '"' + " within quotes as two quotes" if '\\"' in text else ""
        raise DataError(f"{name}, line {start}: it is not CSV: {error}{way_out}") from error
    if not rows:
        raise DataError(f"{name} is empty; its first line should name the columns")
    return rows, lines


def _delimiter(text: str, *, tabs: bool) -> str:
    """What parts the first lines into the most cells, equally many in each; the comma otherwise.

    Blanks do where no other sign does.
    """
    head = io.StringIO(text, newline="")
    first = [line for line in (head.readline() for _ in range(_HEAD_LINES)) if line.strip()]
    order = "\t,;|" if tabs else _DELIMITERS
    widths = {sign: _width(first, sign, always=sign == order[0]) for sign in order}
    best = max(widths, key=lambda sign: widths[sign])  # the first of equals
    if widths[best] > 1:
        return best
    return BLANK if len(first) > 1 and _width(first, BLANK) > 1 else order[0]


def _width(lines: Sequence[str], delimiter: str, *, always: bool = False) -> int:
    """The cells of the first line if all others have as many, or all one more; otherwise 0."""
    quote = quote_of(lines[0].split(delimiter)) if lines else '"'
    try:
        rows = [len(row) for row in _reader(lines, delimiter, quote) if row]
    except csv.Error:
        return 0
    even = len(set(rows[1:])) <= 1 and (len(rows) < 2 or rows[1] - rows[0] in (0, 1))
    return rows[0] if rows and (even or always) else 0
