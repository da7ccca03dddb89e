"""The columns of a table of results."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from service.errors import InvalidRequest

Result = dict[str, object]
#: A table that was scored before has columns that are named as a result's: they are an error, are left
#: out, or get a prefix.
ResultColumns = Literal["refuse", "replace", "prefix"]
_PREFIX = "input_"
#: The columns of a result's ``domain``.
_DOMAIN = ("similarity", "in_domain")


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """The columns of a table of results: those of the input, then those of the model."""

    model: str
    version: str
    targets: tuple[str, ...]
    is_smiles: bool
    columns: tuple[str, ...] = ()
    schema: bytes = b""
    #: Whether the targets are mutually exclusive classes.
    exclusive: bool = False
    #: Whether results tell what the model cannot judge, and have warnings.
    judges: bool = False
    #: Whether the targets are assays, whose results have levels; and whether intervals are asked for.
    has_levels: bool = False
    has_intervals: bool = False
    #: The thresholds by target that the request has chosen, if it has.
    thresholds: Mapping[str, float] | None = None
    #: Whether rows have bounds, so that results tell which are suspect.
    has_bounds: bool = False
    #: Whether results tell how near a molecule is to what the model learned from.
    has_domain: bool = False
    #: What becomes of columns of the input that are named as the model's.
    result_columns: ResultColumns = "refuse"
    #: Whether the targets are quantities, whose results are values with intervals, and no calls.
    quantities: bool = False
    #: The names of a record's values. They are in every table, so that those that are named as a
    #: result's get the prefix where others are refused.
    features: frozenset[str] = frozenset()

    @property
    def number(self) -> str:
        """The field of a result that has a number for each target."""
        return "value" if self.quantities else "probability"

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of these numbers."""
        return tuple(f"{self.number}_{target}" for target in self.targets)

    @property
    def calls(self) -> tuple[str, ...]:
        """The columns of calls: one with the class's name, or one with a boolean per target."""
        if self.quantities:
            return ()
        return ("call",) if self.exclusive else tuple(f"call_{target}" for target in self.targets)

    @property
    def levels(self) -> tuple[str, ...]:
        """The columns of levels."""
        return tuple(f"level_{target}" for target in self.targets) if self.has_levels else ()

    @property
    def intervals(self) -> tuple[str, ...]:
        """The columns of both ends of intervals."""
        ends = [(f"interval_low_{name}", f"interval_high_{name}") for name in self.targets]
        return tuple(chain(*ends)) if self.has_intervals else ()

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a result that only some models or requests have."""
        given = {"level": self.has_levels, "interval": self.has_intervals, "warnings": self.judges}
        given["suspect"] = self.has_bounds
        given |= dict.fromkeys(("domain", "measured", "nearest"), self.has_domain)
        given["value"] = self.quantities
        return frozenset(name for name, has in given.items() if has)

    @property
    def details(self) -> tuple[str, ...]:
        """The columns that tell how a record was read."""
        if not self.is_smiles:
            return ()
        told = ("parent", "removed", "repaired")
        near = _DOMAIN if self.has_domain else ()
        return ("status", *told, "warnings", *near) if self.judges else (*told, *near)

    @property
    def added(self) -> tuple[str, ...]:
        """The columns of the model, which follow those of the input."""
        return (
            *self.details,
            *self.numbers,
            *self.calls,
            *self.levels,
            *self.intervals,
            "p_value",
            *self.marks,
            "error",
        )

    @property
    def marks(self) -> tuple[str, ...]:
        """The column that marks rows whose numbers are beyond their bounds."""
        return ("suspect",) if self.has_bounds else ()

    @property
    def kept(self) -> dict[str, str]:
        """The columns of the input that the results keep, each with its name there."""
        return self.renamed(self.columns, self.added)

    def renamed(self, names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
        """Return the names that are kept beside the model's ``reserved`` ones, with what they become."""
        if self.result_columns == "replace":
            return {name: name for name in names if name not in reserved}
        if self.result_columns == "prefix":
            return {name: f"{_PREFIX}{name}" if name in reserved else name for name in names}
        prefixed = self.features.intersection(reserved)
        return {name: f"{_PREFIX}{name}" if name in prefixed else name for name in names}

    def check(self) -> None:
        """Raise ``InvalidRequest`` if two columns of the results would have one name."""
        names = [*self.kept.values(), *self.added]
        conflict = next((name for name in names if names.count(name) > 1), None)
        if conflict is not None:
            raise InvalidRequest(
                f"column {conflict!r} has the name of a result's; rename or drop it, or let"
                " result_columns replace or prefix such columns"
            )

    def cells(self, result: Result) -> list[object]:
        """Return a result's values in the order of ``added``, None for those that it does not have."""
        cells: list[object] = []
        for name in self.details:
            near: Any = result.get("domain", {}) if name in _DOMAIN else result
            value = near.get(name)
            cells.append(_joined(name, value) if isinstance(value, list) else value)
        if result["status"] == "ok":
            cells += _by_target(result, self.number)
            if self.exclusive:
                cells.append(result["call"])
            elif not self.quantities:
                cells += _by_target(result, "call")
            if self.has_levels:
                cells += _by_target(result, "level")
            if self.has_intervals:
                cells += chain(*_by_target(result, "interval"))
            cells.append(result["p_value"])
            cells += [result.get(name, False) for name in self.marks]
            cells.append(None)
        else:
            cells += [None] * (len(self.added) - len(self.details) - 1)
            cells.append(result["message"])
        return cells


def _by_target(result: Result, name: str) -> Iterable[Any]:
    values = result[name]
    assert isinstance(values, dict)
    return values.values()


def _joined(name: str, values: list[Any]) -> str:
    """Return warnings as ``code: message | …``, and fragments joined as SMILES joins them."""
    if name == "warnings":
        return " | ".join(f"{warning['code']}: {warning['message']}" for warning in values)
    return ".".join(map(str, values))
