"""How the values of a table's columns are written: chosen by options and by what most cells are."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.features.tabular.dates import TWINS, forms_of
from models.features.tabular.formats import Marks, NumberFormat

#: If this share of a column's cells are numbers, or dates, the others are reported as mistakes.
MOSTLY = 0.9

#: Numbers with a unit behind them, or a currency's code before them; with so few different ones they
#: may be groups, such as doses.
_NUMBER = r"(?P<number>[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)"
_BEFORE_UNIT = re.compile(_NUMBER + r"\s*(?P<unit>[^\d\s.,;:/_-][^\d]{0,15})")
_BEHIND_CODE = re.compile(r"(?P<unit>[^\W\d_]{1,4}\.?)\s?" + _NUMBER)
_MOST_GROUPS, _MOST_FRACTIONS = 64, 20

#: Other ways to write numbers, as their decimal sign and their thousands', which hints name.
_WAYS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"))


@dataclass(frozen=True, slots=True)
class Spelling:
    """What options say: of all columns, and of ``numbers``, whose numbers have signs."""

    marks: Marks = field(default_factory=Marks)
    decimal: str = "."
    thousands: str = ""
    numbers: tuple[str, ...] = ()
    day_first: bool = False

    def formats(self, name: str) -> list[NumberFormat]:
        """The ways in which numbers of a column may be written, those that are preferred first."""
        said = NumberFormat(self.marks, self.decimal, self.thousands, name in self.numbers)
        plain = NumberFormat(self.marks)
        return [plain] if said == plain else [said, plain]


def best_format(texts: Sequence[str], formats: Sequence[NumberFormat]) -> tuple[NumberFormat, float]:
    """The format that reads most of the texts as numbers, and the share that it reads."""
    shares = [share_of_numbers(texts, each) for each in formats]
    best = max(range(len(shares)), key=shares.__getitem__)
    return formats[best], shares[best]


def share_of_numbers(texts: Sequence[str], written: NumberFormat) -> float:
    """The share of texts that are numbers as they are written."""
    return sum(isinstance(written(text), float) for text in texts) / max(len(texts), 1)


def numbers_in(name: str, texts: Sequence[str]) -> str | None:
    """What numbers a column's texts are, and how they are read; None if they are none."""
    option = hint(name, texts)
    if option is not None:
        return f"numbers of another form; read them by {option}, or"
    for pattern, enough in ((_BEFORE_UNIT, False), (_BEHIND_CODE, True)):
        found = [match for text in texts if (match := pattern.fullmatch(text))]
        unit, rows = Counter(match["unit"] for match in found).most_common(1)[0] if found else ("", 0)
        numbers = {match["number"] for match in found if match["unit"] == unit}
        fractions = sum(not number.lstrip("+-").isdigit() for number in numbers) >= MOSTLY * len(numbers)
        most = _MOST_GROUPS if enough or not fractions else _MOST_FRACTIONS
        if rows >= MOSTLY * len(texts) and len(numbers) > most and (fractions or not enough):
            return f"numbers with {unit!r} beside them; write the numbers alone, or read them"
    return None


def beside_numbers(name: str, cells: Sequence[object]) -> str:
    """A sentence where many cells of a column are numbers, and the others make them categories."""
    numbers = [cell for cell in cells if isinstance(cell, (int, float)) and not isinstance(cell, bool)]
    words = Counter(cell for cell in cells if isinstance(cell, str))
    if not words or len(numbers) < 0.5 * len(cells) or len(set(numbers)) <= _MOST_FRACTIONS:
        return ""
    word, rows = words.most_common(1)[0]
    return (
        f"warning: column {name} is taken as categories, though {len(numbers) / len(cells):.0%} of its"
        f" cells are numbers: {rows:,} are {word[:40]!r}; say --missing {argument(word)} if that means"
        " nothing"
    )


def argument(text: str) -> str:
    """A cell as a shell takes it after an option."""
    return text if text.isalnum() else repr(text[:40])


def hint(name: str, texts: Sequence[str], cell: str | None = None) -> str | None:
    """What option would read a column of texts as numbers; None if they are no numbers.

    With a ``cell`` only an option that reads it, too. Where two options read other numbers, as of 1,200,
    both are said.
    """
    sample = texts[:: max(1, len(texts) // 1000)]
    if cell is not None:
        sample = [*sample, cell]
    for signs in (False, True):
        found: dict[str, list[object]] = {}
        for decimal, thousands in _WAYS:
            written = NumberFormat(decimal=decimal, thousands=thousands, signs=signs)
            if cell is not None and not isinstance(written(cell), float):
                continue
            if written.is_plain or share_of_numbers(sample, written) < MOSTLY:
                continue
            read = [written(text) for text in sample]
            if read not in found.values():
                found[_options(name, decimal, thousands, signs=signs)] = read
        if found:
            return " or by ".join(found)
    return None


def _options(name: str, decimal: str, thousands: str, *, signs: bool) -> str:
    options = [f"--decimal {decimal}"] * (decimal != ".")
    options += [f"--thousands {shlex.quote(thousands)}"] * bool(thousands)
    options += [f"--number {_quoted(name)}"] * signs
    return " ".join(options)


def date_form(texts: Sequence[str], *, day_first: bool) -> tuple[str, bool] | None:
    """The form of dates in which most texts are written, and whether another reads them as well.

    None if they are no dates.
    """
    forms = forms_of(texts, MOSTLY)
    if not forms:
        return None
    form = forms[0]
    twin = TWINS.get(form)
    if twin in forms and twin is not None:
        return (twin if day_first else form), not day_first
    return form, False


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else repr(name)
