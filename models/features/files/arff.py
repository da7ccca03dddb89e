"""ARFF, Weka's format of tables; and rows of candidates without a header, which are written alike.

Source: "Attribute-Relation File Format" of the Weka manual. Values are parted by commas, quoted by ' or
" or not at all; ``?`` is missing; a comment begins with ``%``. PulsarFeatureLab writes the name of a
candidate as a comment at the end of its row: it is kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from models.errors import UnreadableFile

_MOST_COLUMNS, _MOST_LINES = 4096, 20_000
_NAME = r"(?:'((?:[^'\\]|\\.)*+)'|\"((?:[^\"\\]|\\.)*+)\"|([^\s,{}%]+))"
_ATTRIBUTE = re.compile(rf"@attribute\s+{_NAME}\s+(.+)", re.IGNORECASE)
_CELL = re.compile(
    r"\s*(?:'((?:[^'\\]|\\.)*+)'|\"((?:[^\"\\]|\\.)*+)\"|([^,\t]*?))[^\S\t]*(,\s*|\t|$)", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)")
_TEXT_KINDS = ("string", "date", "{")
#: The column of what the comments at the ends of rows say.
CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column; ``is_text`` for all kinds but numbers."""

    name: str
    is_text: bool


class Header:
    """Takes the lines of a header one by one; raises ``UnreadableFile`` for what is none."""

    def __init__(self) -> None:
        self.attributes: list[Attribute] = []
        self._lines = 0

    def take(self, line: str) -> bool:
        """Take a line; return whether it ends the header."""
        self._lines += 1
        text = line.strip()
        if self._lines > _MOST_LINES or len(self.attributes) > _MOST_COLUMNS:
            raise UnreadableFile(f"its header has more than {_MOST_COLUMNS:,} attributes")
        if not text or text.startswith("%"):
            return False
        word = text.split(None, 1)[0].lower()
        if word == "@data":
            if not self.attributes:
                raise UnreadableFile("its header has no @attribute")
            return True
        if word == "@attribute":
            match = _ATTRIBUTE.match(text)
            if match is None:
                raise UnreadableFile(f"its header's line {self._lines} is no attribute: {text[:60]!r}")
            name = next(_unescaped(part) for part in match.groups()[:3] if part is not None)
            self.attributes.append(Attribute(name, match[4].lower().startswith(_TEXT_KINDS)))
        elif word != "@relation":
            raise UnreadableFile(
                f"it is no ARFF: line {self._lines} is {text[:60]!r}, neither @attribute nor @data"
            )
        return False


def is_header(line: str) -> bool:
    """Whether a text whose first line is this, comments apart, is ARFF."""
    return line.lstrip().lower().startswith(("@relation ", "@relation\t", "@attribute "))


def read_header(lines: Iterable[str]) -> tuple[list[Attribute], int]:
    """The attributes, and how many lines the header has; raises ``UnreadableFile``."""
    header = Header()
    for number, line in enumerate(lines, start=1):
        if header.take(line):
            return header.attributes, number
    raise UnreadableFile("it has no @data line")


def is_blank(line: str) -> bool:
    """Whether a line of the data holds no row."""
    text = line.lstrip()
    return not text or text.startswith("%")


def row(line: str) -> tuple[list[str], str]:
    """The cells of a row, and the comment at its end, empty without one.

    Raises ``UnreadableFile`` for a sparse row, or a quote that is not closed.
    """
    text, comment = _parted(line.strip())
    if text.startswith("{"):
        raise UnreadableFile("the row is sparse; save the file without {index value} pairs")
    if "'" not in text and '"' not in text:
        cells = [cell.strip() for cell in re.split(r",\s*|\t", text)]
    else:
        cells = _quoted(text)
    if comment and cells[-1] == "":  # PulsarFeatureLab ends its scores with ",%name"
        cells.pop()
    return cells, comment


def _quoted(text: str) -> list[str]:
    cells, place = [], 0
    while True:
        match = _CELL.match(text, place)
        if match is None or (match[3] is not None and match[3][:1] in ("'", '"')):
            raise UnreadableFile("a quoted value of the row is not closed")
        cells.append(match[3] if match[3] is not None else _unescaped(match[1] or match[2] or ""))
        if not match[4]:
            return cells
        place = match.end()


def _parted(text: str) -> tuple[str, str]:
    """A row without the comment at its end, and the comment."""
    if "%" not in text:
        return text, ""
    quote = ""
    place = 0
    while place < len(text):
        sign = text[place]
        if quote and sign == "\\":
            place += 1
        elif sign == quote:
            quote = ""
        elif not quote and sign in "'\"" and (place == 0 or text[place - 1] in ", \t"):
            quote = sign
        elif not quote and sign == "%":
            return text[:place].rstrip(), text[place:].lstrip("%").strip()
        place += 1
    return text, ""


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)
