"""The schemas of tables: which columns there are, and how each is read and becomes features.

They come with a bundle, so every entry is checked and every size is bounded.
"""

from collections.abc import Mapping
from itertools import pairwise

from models.errors import FeaturizerError
from models.features.tabular.categories import Category
from models.features.tabular.cells import category
from models.features.tabular.columns import (
    BooleanColumn,
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    values_of,
)
from models.features.tabular.dates import FORMS, PARTS
from models.features.tabular.formats import Marks, TextFormat, number_format
from models.features.tabular.numeric_encoding import Number
from models.features.tabular.records import kind

#: Limits that keep a schema from filling memory.
MOST_COLUMNS, MOST_FEATURES, MOST_KNOTS = 4096, 65_536, 256
LONGEST = 200
_LARGEST, SMALLEST = 3.4e38, 1e-30
_MOST_MARKS = 100
_NUMBER = frozenset(("name", "kind", "optional", "knots", "centre", "scale"))
_WRITTEN = frozenset(("decimal", "thousands", "signs"))
_PART = frozenset(("part", "centre", "scale", "knots", "low", "high"))


def read_columns(identifier: str, parameters: Mapping[str, object]) -> tuple[Number | Category, ...]:
    """The columns of a schema of numbers and categories; raises ``FeaturizerError``."""
    entries = parameters.get("columns")
    if set(parameters) != {"columns"} or not isinstance(entries, list) or not entries:
        raise FeaturizerError(
            f"featurizer {identifier} takes the parameter columns, a list, got {', '.join(parameters)}"
        )
    if len(entries) > MOST_COLUMNS:
        raise FeaturizerError(f"featurizer {identifier} takes at most {MOST_COLUMNS:,} columns")
    columns = tuple(
        _read_column(f"featurizer {identifier}, column {number}", entry)
        for number, entry in enumerate(entries, start=1)
    )
    if len({column.name for column in columns}) < len(columns):
        raise FeaturizerError(f"featurizer {identifier}: two columns have the same name")
    if sum(len(column.features) for column in columns) > MOST_FEATURES:
        raise FeaturizerError(f"featurizer {identifier} makes at most {MOST_FEATURES:,} features")
    return columns


def _read_column(where: str, entry: object) -> Number | Category:
    """One column of a schema; raises ``FeaturizerError`` that begins with ``where``."""
    if not isinstance(entry, Mapping):
        raise FeaturizerError(f"{where} is {kind(entry)}, not an object")
    name, optional, what = entry.get("name"), entry.get("optional"), entry.get("kind")
    if not is_name(name) or not isinstance(optional, bool):
        raise FeaturizerError(f"{where}: name must be a text of 1 to {LONGEST} and optional a boolean")
    if what == "number" and set(entry) <= _NUMBER:
        knots = read_knots(where, entry.get("knots", []))
        centre = read_number(where, entry.get("centre", 0.0))
        scale = read_number(where, entry.get("scale", 1.0))
        if not scale > SMALLEST:
            raise FeaturizerError(f"{where}: its scale must be above 0")
        return Number(str(name), optional, knots, centre, scale)
    values, other = entry.get("values"), entry.get("other")
    if what != "category" or set(entry) != {"name", "kind", "optional", "other", "values"}:
        raise FeaturizerError(
            f"{where}: it must have name, optional and kind 'number', perhaps knots, centre, scale; or"
            " name, optional, kind 'category', values and other"
        )
    if not isinstance(values, list) or not values or not isinstance(other, bool):
        raise FeaturizerError(f"{where}: values must be a list of texts and other a boolean")
    if not all(map(is_cell, values)) or len(set(values)) < len(values):
        raise FeaturizerError(f"{where}: its values must be different texts of 1 to {LONGEST}")
    return Category(str(name), values, optional=optional, other=other)


def read_knots(where: str, knots: object) -> tuple[float, ...]:
    """Knots that rise, or none; raises ``FeaturizerError`` that begins with ``where``."""
    if isinstance(knots, list) and len(knots) != 1 and len(knots) <= MOST_KNOTS:
        numbers = tuple(read_number(where, knot) for knot in knots)
        if all(low < high for low, high in pairwise(numbers)):
            return numbers
    raise FeaturizerError(f"{where}: knots must be 2 to {MOST_KNOTS} numbers that rise")


def read_number(where: str, value: object) -> float:
    """A number that float32 can hold; raises ``FeaturizerError`` that begins with ``where``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    raise FeaturizerError(f"{where}: its knots, centre and scale must be numbers of a 32-bit float")


def is_cell(value: object) -> bool:
    """Whether a cell of a table can hold a category."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST and category(value) == value


def is_name(value: object) -> bool:
    """Whether a cell of a table can hold a column's name; ``NA`` is one."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.strip() == value


def read_marks(identifier: str, parameters: Mapping[str, object]) -> Marks:
    """The table's own marks of missing values; raises ``FeaturizerError``."""
    marks = parameters.get("missing", [])
    if not isinstance(marks, list) or len(marks) > _MOST_MARKS or not all(map(_is_text, marks)):
        raise FeaturizerError(f"featurizer {identifier}: missing must be a list of texts")
    return Marks(tuple(marks))


def read_written_columns(identifier: str, parameters: Mapping[str, object]) -> tuple[Column, ...]:
    """The columns of a schema that says how values are written; raises ``FeaturizerError``."""
    entries = parameters.get("columns")
    if not set(parameters) <= {"columns", "missing"} or not isinstance(entries, list) or not entries:
        raise FeaturizerError(
            f"featurizer {identifier} takes the parameters columns, a list, and missing, got"
            f" {', '.join(parameters)}"
        )
    if len(entries) > MOST_COLUMNS:
        raise FeaturizerError(f"featurizer {identifier} takes at most {MOST_COLUMNS:,} columns")
    marks = read_marks(identifier, parameters)
    columns = tuple(
        _written_column(f"featurizer {identifier}, column {number}", entry, marks)
        for number, entry in enumerate(entries, start=1)
    )
    if len({column.name for column in columns}) < len(columns):
        raise FeaturizerError(f"featurizer {identifier}: two columns have the same name")
    if sum(map(_features, columns)) > MOST_FEATURES:
        raise FeaturizerError(f"featurizer {identifier} makes at most {MOST_FEATURES:,} features")
    return columns


def _features(column: Column) -> int:
    if isinstance(column, CategoryColumn):
        return len(column.category.features)
    return sum(len(number.features) for number in column.numbers)


def _written_column(where: str, entry: object, marks: Marks) -> Column:
    if not isinstance(entry, Mapping):
        raise FeaturizerError(f"{where} is {kind(entry)}, not an object")
    name, what = entry.get("name"), entry.get("kind")
    if what == "date":
        return _date(where, entry, marks)
    if what == "boolean" and set(entry) == {"name", "kind", "optional", "values"}:
        number = _read_column(where, {"name": name, "kind": "number", "optional": entry["optional"]})
        assert isinstance(number, Number)
        return BooleanColumn(number.name, number, TextFormat(marks))
    if what == "category":
        buckets = entry.get("buckets", 0)
        if type(buckets) is not int or not 0 <= buckets <= MOST_FEATURES:
            raise FeaturizerError(f"{where}: buckets must be a number of features")
        plain = {key: value for key, value in entry.items() if key != "buckets"}
        category_ = _read_column(where, plain)
        assert isinstance(category_, Category)
        if buckets:
            category_ = Category(
                category_.name, values_of(entry), optional=category_.optional, other=False
            )
        return CategoryColumn(category_.name, category_, TextFormat(marks), buckets)
    binary = entry.get("binary", False)
    if not isinstance(binary, bool):
        raise FeaturizerError(f"{where}: binary must be a boolean")
    written = number_format(where, entry, marks)
    rest = {key: value for key, value in entry.items() if key not in _WRITTEN | {"binary"}}
    number = _read_column(where, rest)
    assert isinstance(number, Number)
    return NumberColumn(number.name, number, written, binary)


def _date(where: str, entry: Mapping[str, object], marks: Marks) -> DateColumn:
    name, optional, form, parts = (entry.get(key) for key in ("name", "optional", "form", "parts"))
    sound = set(entry) == {"name", "kind", "optional", "form", "parts"} and form in FORMS
    if not sound or not is_name(name) or not isinstance(optional, bool):
        raise FeaturizerError(f"{where}: a date has a name, optional, a form that is known, and parts")
    if not isinstance(parts, list) or not parts or len(parts) > len(PARTS):
        raise FeaturizerError(f"{where}: parts must be a list of the parts of a date")
    read = []
    for each in parts:
        if not isinstance(each, Mapping) or set(each) != _PART or each["part"] not in PARTS:
            raise FeaturizerError(f"{where}: a part has {', '.join(sorted(_PART))}")
        numeric = {key: each[key] for key in ("centre", "scale", "knots")}
        named = {"name": f"{name} ({each['part']})", "kind": "number", "optional": optional, **numeric}
        number = _read_column(where, named)
        assert isinstance(number, Number)
        low, high = read_number(where, each["low"]), read_number(where, each["high"])
        read.append((str(each["part"]), number, low, high))
    if len({part for part, *_ in read}) < len(read):
        raise FeaturizerError(f"{where}: a part is there twice")
    return DateColumn(str(name), str(form), optional, tuple(read), TextFormat(marks))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST
