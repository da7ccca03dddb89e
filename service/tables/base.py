"""What readers and writers of every kind have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from models.features import Featurizer
from models.features.tabular.cells import category, number
from service.errors import InvalidRequest

#: The longest record, of any kind: far above what a model takes, far below what fills memory.
MAX_RECORD_BYTES = 128 * 1024

#: Raw records: each one's bytes, or one block of a format that has its own.
Raw = list[bytes]
Carried = dict[str, object]
Result = dict[str, object]
#: Reads the text of a cell as a value.
Reader = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """What a model's record is: a SMILES, or values by these names, some of which are ``texts``."""

    names: tuple[str, ...] | None = None
    texts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, featurizer: Featurizer) -> "RecordSchema":
        """What a featurizer reads."""
        return cls(featurizer.fields, featurizer.texts) if featurizer.fields else cls()

    @property
    def is_smiles(self) -> bool:
        """Whether a record is a SMILES."""
        return self.names is None

    def places(self, columns: Sequence[str]) -> tuple[int, ...]:
        """Where the values of a record stand among a table's columns.

        Names are matched exactly, but for that of a SMILES, which may be spelled in any case. Raises
        ``InvalidRequest`` for columns that are missing, or there twice.
        """
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise InvalidRequest(
                f"column {_shown(twice)} is there twice; which is meant cannot be known"
            )
        names = [name.lower() for name in columns] if self.is_smiles else list(columns)
        if self.is_smiles and names.count("smiles") > 1:
            raise InvalidRequest("more than one column is named 'smiles', in one spelling or another")
        wanted = self.names or ("smiles",)
        missing = [name for name in wanted if name not in names]
        if missing:
            shown = ", ".join(map(_shown, columns[:12]))
            what = "molecules" if self.is_smiles else "records"
            text = f"the model's {what} need the column {', '.join(missing)}; the header has {shown}"
            if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
                text += ", which seems to be separated by something else than commas"
            raise InvalidRequest(text)
        return tuple(map(names.index, wanted))


@dataclass(slots=True)
class ParsedRows:
    """Some rows of a table, in order.

    ``carried`` is what each row brought; ``records`` are those of the rows that can be read, and
    ``faults`` say of each other row, by its place, why it cannot.
    """

    carried: list[Carried] = field(default_factory=list)
    records: list[object] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)

    def add(self, carried: Carried, record: object) -> None:
        """Append a row that was read."""
        self.carried.append(carried)
        self.records.append(record)

    def refuse(self, carried: Carried, fault: str) -> None:
        """Append a row that cannot be read."""
        self.faults[len(self.carried)] = fault
        self.carried.append(carried)

    def in_place(self, results: Sequence[Result]) -> list[Result]:
        """Put the results of ``records`` and the faults where their rows are."""
        if not self.faults:
            return list(results)
        good = iter(results)
        return [
            {"status": "error", "message": self.faults[place]} if place in self.faults else next(good)
            for place in range(len(self.carried))
        ]


class Source(Protocol):
    """Takes raw records from a file, in order."""

    #: Where the next record begins, in bytes or in rows; what ``seek`` takes.
    position: int
    #: What ``position`` will be at the end.
    size: int
    #: The columns' kinds where the file has them, as Arrow writes a schema; or else empty.
    schema: bytes

    def seek(self, position: int) -> None:
        """Go on from a position that this file's source has been at."""

    def take(self, count: int) -> Raw:
        """The next records, at most so many; none at the end. Raises ``MalformedInput``.

        Records before the malformed place are given first.
        """

    def columns(self) -> tuple[str, ...]:
        """The names of all that the rows bring, in order; may read the whole file."""


class Parser(Protocol):
    """Understands raw records; can be pickled."""

    def parse(self, raw: Raw) -> ParsedRows:
        """Read records, each in its place."""


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """What a table of results holds: carried columns, then what the model says."""

    model: str
    version: str
    targets: tuple[str, ...]
    is_smiles: bool
    columns: tuple[str, ...] = ()
    schema: bytes = b""
    #: Whether the targets are classes, one of which is called.
    exclusive: bool = False

    @property
    def calls(self) -> tuple[str, ...]:
        """Columns of what is called: the class's name, or a boolean for each target."""
        return ("call",) if self.exclusive else tuple(f"call_{target}" for target in self.targets)

    @property
    def details(self) -> tuple[str, ...]:
        """Columns on how a record was read."""
        return ("parent", "removed", "repaired") if self.is_smiles else ()

    @property
    def added(self) -> tuple[str, ...]:
        """The columns after the carried ones."""
        return (
            *self.details,
            *(f"probability_{target}" for target in self.targets),
            *self.calls,
            "p_value",
            "error",
        )

    def check(self) -> None:
        """Raise ``InvalidRequest`` where a carried column has the name of an added one."""
        taken = sorted(set(self.columns) & set(self.added))
        if taken:
            raise InvalidRequest(f"column {taken[0]!r} has the name of a result's; rename or drop it")

    def cells(self, result: Result) -> list[object]:
        """A result's values in the order of ``added``; None where there is none."""
        cells: list[object] = []
        for name in self.details:
            value = result.get(name)
            # Fragments joined as SMILES joins them.
            cells.append(".".join(map(str, value)) if isinstance(value, list) else value)
        if result["status"] == "ok":
            probability, call = result["probability"], result["call"]
            assert isinstance(probability, dict)
            cells += probability.values()
            cells += call.values() if isinstance(call, dict) else (call,)
            cells += (result["p_value"], None)
        else:
            cells += [None] * (len(self.targets) + len(self.calls) + 1)
            cells.append(result["message"])
        return cells


class Writer:
    """Writes results. ``head``, then ``rows`` any number of times, then ``tail``."""

    def __init__(self, layout: OutputLayout) -> None:
        """Write results of a layout."""
        self.layout = layout

    def head(self) -> bytes:
        """What comes before the first row."""
        return b""

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Some rows; ``first`` says that none came before them."""
        raise NotImplementedError

    def tail(self, problem: str = "") -> bytes:
        """What comes after the last row; ``problem`` says why it is the last, if it should not be."""
        if not problem:
            return b""
        return self.rows([{}], [{"status": "error", "message": problem}], first=False)


def readers(form: RecordSchema) -> tuple[Reader, ...]:
    """How the text of a cell is read as each value of a record; none for a SMILES."""
    return tuple(category if name in form.texts else number for name in form.names or ())


def _shown(name: str) -> str:
    """A client's own word, short enough to repeat."""
    return repr(name if len(name) <= 40 else name[:40] + "…")
