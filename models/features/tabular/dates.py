"""Dates and times as text, and their parts.

A date is read as ISO 8601 (RFC 3339), or in the one form that training found in its column: day or
month first cannot be told from a single value. A time with an offset is brought to UTC; one without is
taken as it is. The parts are chosen to serve for dates after the training data: month, day, weekday and
hour come again; the year, with its fraction, is limited to the range of training.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import cast

ISO = "iso"
#: The forms of a date beside ISO's, of which a schema names one; those before others are tried first.
FORMS: tuple[str, ...] = (
    ISO, "%Y/%m/%d", "%Y.%m.%d", "%Y-%m", "%Y/%m",
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y",
    "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d-%b-%y", "%d %b %y", "%d. %b %Y",
    "%d %B %Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%b-%Y", "%b %Y", "%B %Y",
    "%a, %d %b %Y", "%a %d %b %Y", "%A, %B %d, %Y", "%A, %d %B %Y",
)  # fmt: skip
#: Forms that read the same texts with day and month exchanged.
TWINS: Mapping[str, str] = {
    "%m/%d/%Y": "%d/%m/%Y", "%m-%d-%Y": "%d-%m-%Y", "%m/%d/%y": "%d/%m/%y",
}  # fmt: skip

_LONGEST = 64
_TIME = re.compile(
    r"(?P<date>.*?)(?:[T ,:]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp])?(?:\.?[Mm]\.?)?\s*(?P<zone>Z|z|UTC|GMT|[+-]\d{2}:?\d{2}(?::?\d{2})?)?)?"
    r"(?:\s*\[[\w/+-]+\])?"
)
_NOON = 12
#: Dates in digits, between which a number may be one.
_FIRST, _LAST = 1800_01_01, 2199_12_31

#: The parts of a date, and the knots between which each may bend; the year's are the data's.
PARTS: Mapping[str, tuple[float, ...]] = {
    "year": (),
    "month": tuple(map(float, range(1, 13))),
    "day": (1.0, 8.0, 15.0, 22.0, 31.0),
    "weekday": tuple(map(float, range(7))),
    "hour": tuple(map(float, range(0, 25, 3))),
}
_OF: Mapping[str, Callable[[datetime], float]] = {
    "year": lambda at: at.year + (at - datetime(at.year, 1, 1)) / timedelta(days=366),
    "month": lambda at: float(at.month),
    "day": lambda at: float(at.day),
    "weekday": lambda at: float(at.weekday()),
    "hour": lambda at: at.hour + at.minute / 60,
}


def part(name: str, at: datetime) -> float:
    """Year with fraction, month, day of the month, weekday from Monday = 0, or hour of a date."""
    return _OF[name](at)


@lru_cache(maxsize=65_536)
def read(text: str, form: str) -> datetime | None:
    """A date in ISO's form or another; None if the text is none. Offsets are brought to UTC."""
    text = text.strip()
    if not 6 <= len(text) <= _LONGEST:
        return None
    if text[:4].isdigit() and (found := _iso(text)) is not None:
        return found
    return None if form == ISO else _in_form(text, form)


def _iso(text: str) -> datetime | None:
    try:
        return _without_zone(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return _in_form(text, "%Y-%m-%d")


def _in_form(text: str, form: str) -> datetime | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        day = datetime.strptime(match["date"].strip().rstrip(","), form)
        if match["hour"] is None:
            return day
        hour = int(match["hour"])
        if match["half"]:
            if not 1 <= hour <= _NOON:
                return None
            hour = hour % _NOON + _NOON * (match["half"] in "Pp")
        at = day.replace(hour=hour, minute=int(match["minute"]), second=int(match["second"] or 0))
        zone = match["zone"]
        if zone and zone[0] in "+-":
            digits = zone[1:].replace(":", "")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
            at = at - offset if zone[0] == "+" else at + offset
    except (ValueError, OverflowError):
        return None
    return at


def _without_zone(at: datetime) -> datetime:
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def as_date(value: object, form: str) -> datetime | None:
    """A value of a table as a date: a text, digits as 20241231, or a date of Python.

    None for any other.
    """
    if is_digits(value):
        value = str(int(cast(float, value)))
    if isinstance(value, str):
        return read(value, form)
    if isinstance(value, datetime):
        return _without_zone(value)
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None


def is_digits(value: object) -> bool:
    """Whether a number could be a date in digits, 20241231."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and _FIRST <= value <= _LAST
        and value == int(value)
    )


def forms_of(texts: Sequence[str], enough: float) -> list[str]:
    """The forms in which at least this share of the texts are dates, the best ones."""
    sample = texts[:: max(1, len(texts) // 2000)]
    likely = [
        form
        for form in FORMS
        if sum(read(text, form) is not None for text in sample) >= enough * len(sample)
    ]
    shares = {form: sum(read(text, form) is not None for text in texts) / len(texts) for form in likely}
    best = max(shares.values(), default=0.0)
    return [form for form, share in shares.items() if share == best] if best >= enough else []


def _share(texts: Sequence[str], form: str) -> float:
    return sum(read(text, form) is not None for text in texts) / len(texts)
