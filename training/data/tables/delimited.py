"""Text tables: their encoding, what parts their cells, and their rows."""

import csv
import io
import re

from models.features.files.separator import separator_of
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


def without_separator_line(text: str) -> tuple[str, str | None]:
    """The text with a blank line in place of the line ``sep=;``, if it begins with one; and the sign."""
    beginning = text[: len(text) - len(text.lstrip("\r\n"))]
    line = re.split(r"[\r\n]", text[len(beginning) :], maxsplit=1)[0]
    named = separator_of(line)
    return (text if named is None else beginning + text[len(beginning) + len(line) :]), named


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
    reader = csv.reader(
        io.StringIO(text, newline=""),
        strict=True,
        delimiter=delimiter or _delimiter(text, tabs=tabs),
    )
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {start}: it is not CSV: {error}") from error
    if not rows:
        raise DataError(f"{name} is empty; its first line should name the columns")
    if len(rows[0]) == 1 and len(rows) > 1 and rows[0][0].lstrip().startswith("#"):
        raise DataError(
            f"{name}, line {lines[0]}: it begins with '#', as comments do; take such lines out, so that"
            " the first line names the columns"
        )
    if len(rows[0]) == 1 and len(rows) > 1 and len(rows[0][0].split()) > 1 and " " in rows[1][0].strip():
        raise DataError(
            f"{name}, line 1: it seems to be parted by blanks; save it with commas, tabs or semicolons"
        )
    return rows, lines


def _delimiter(text: str, *, tabs: bool) -> str:
    """What parts the first lines into the most cells, equally many in each; the comma otherwise."""
    head = io.StringIO(text, newline="")
    first = [line for line in (head.readline() for _ in range(_HEAD_LINES)) if line.strip()]
    order = "\t,;|" if tabs else _DELIMITERS
    widths: dict[str, int] = {}
    for delimiter in order:
        try:
            rows = [len(row) for row in csv.reader(first, delimiter=delimiter) if row]
        except csv.Error:
            continue
        even = len(set(rows[1:])) <= 1 and (len(rows) < 2 or rows[1] - rows[0] in (0, 1))
        widths[delimiter] = rows[0] if rows and (even or delimiter == order[0]) else 0
    best = max(widths, key=lambda sign: widths[sign], default=order[0])  # the first of equals
    return best if widths.get(best, 0) > 1 else order[0]
