"""The record that a model takes, and where it is in a table: the columns or fields of its values."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from models.features import Featurizer
from models.features.tabular.candidate_tables import ACCEPTED_NAMES, renamed
from models.features.tabular.cells import category, number
from models.features.tabular.pulsar import NAMES as CANDIDATE_NAMES
from service.errors import InvalidRequest

#: Reads the text of a cell as a value.
Reader = Callable[[str], object]

_SMILES, _INCHI = "smiles", "inchi"
#: Names by which registers give one structure twice, with stereo and without; the first is taken.
_DRAWINGS_IN_ORDER = ("isosmiles", "isomericsmiles", "canonicalsmiles", "connectivitysmiles")
_DRAWINGS = frozenset(_DRAWINGS_IN_ORDER)
#: Characters that part columns: a name with one is a header that was split by another.
_PARTING = frozenset(",;|\t")


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """The record that a model takes: a SMILES if ``names`` is None, or else values by these names.

    ``texts`` are the names whose values are text; all others are numbers. ``smiles_column`` is the
    column or field of SMILES, if its name was given.
    """

    names: tuple[str, ...] | None = None
    texts: frozenset[str] = frozenset()
    smiles_column: str | None = None
    #: How the text of each value is read; by ``texts`` where it is empty.
    cells: tuple[Reader, ...] = ()

    @classmethod
    def of(cls, featurizer: Featurizer, smiles_column: str | None = None) -> "RecordSchema":
        """Return the schema of the records that a featurizer reads.

        Raises ``InvalidRequest`` for a ``smiles_column`` where records are no SMILES.
        """
        if not featurizer.fields:
            return cls(smiles_column=smiles_column)
        if smiles_column is not None:
            raise InvalidRequest("smiles_column is given, and the model takes no SMILES")
        return cls(featurizer.fields, featurizer.texts, cells=featurizer.readers)

    @property
    def is_smiles(self) -> bool:
        """Whether a record is a SMILES."""
        return self.names is None

    @property
    def is_candidate(self) -> bool:
        """Whether a record is a pulsar candidate, whose columns go by many names."""
        return self.names == CANDIDATE_NAMES

    def places(self, columns: Sequence[str]) -> tuple[int, ...]:
        """Return the index of each of a record's values among a table's columns.

        A column of exactly the name comes before one that differs in case or in how Unicode writes it,
        and that of a candidate may have any of its names. SMILES are in the column that was named, or in
        the column ``smiles`` in any spelling, or else in the one column whose name contains that. Other
        columns may occur twice or have no name. Raises ``InvalidRequest`` if a column is missing or
        occurs twice.
        """
        given = columns
        if self.names is None:
            spelled = [name for name in columns if name.lower() == _SMILES]
            if self.smiles_column is None and len(spelled) > 1:
                raise InvalidRequest(
                    "more than one column is named 'smiles', in one spelling or another; name one by"
                    " smiles_column"
                )
            name = self.field_of(columns)
            if name is None:
                raise InvalidRequest(self._missing((self.smiles_column or _SMILES,), columns))
            wanted: tuple[str, ...] = (name,)
        else:
            wanted, columns = self.names, self._spelled(given)
        missing = [name for name in wanted if name not in columns]
        if missing:
            raise InvalidRequest(self._missing(missing, given))
        for name in wanted:
            if columns.count(name) > 1:
                shown = _shown(given[columns.index(name)])
                raise InvalidRequest(f"column {shown} is there twice; which is meant cannot be known")
        return tuple(map(columns.index, wanted))

    def field_of(self, names: Collection[str]) -> str | None:
        """Return the column or field of SMILES, None if there is none.

        Raises ``InvalidRequest`` if it cannot be known which of several is meant.
        """
        wanted = self.smiles_column or _SMILES
        if wanted in names:
            return wanted
        same = [name for name in names if name.lower() == wanted.lower()]
        if not same and self.smiles_column is None:
            same = [name for name in names if _SMILES in name.lower() and not _PARTING & set(name)]
            same = same or [name for name in names if name.lower() == _INCHI]
        if len(set(same)) > 1:
            plain = {re.sub("[^a-z]", "", name.lower()): name for name in same}
            if len(plain) == len(same) and _DRAWINGS.issuperset(plain):
                return next(plain[name] for name in _DRAWINGS_IN_ORDER if name in plain)
            shown = " and ".join(map(_shown, same[:4]))
            raise InvalidRequest(f"the columns {shown} may hold the SMILES; name one by smiles_column")
        return same[0] if same else None

    def _spelled(self, columns: Sequence[str]) -> list[str]:
        """The columns, those of the model by its own names."""
        names = self.names or ()
        found = list(columns)
        if set(names) <= set(found):
            return found
        plain = {_folded(name): name for name in names}
        for place, column in enumerate(renamed(found) if self.is_candidate else found):
            name = column if column in names else plain.get(_folded(column))
            if name is not None and name not in columns:
                found[place] = name
        return found

    def values_of(self, record: Mapping[str, object]) -> dict[str, object]:
        """Return the values of an object by the model's names, which may be spelled in any way."""
        names = self.names or ()
        found = {name: record[name] for name in names if name in record}
        if len(found) < len(names) and len(record) > len(found):
            spelled = self._spelled(list(record))
            found |= {
                name: value
                for name, value in zip(spelled, record.values(), strict=True)
                if name in names and name not in found
            }
        return found

    def _missing(self, missing: Sequence[str], columns: Sequence[str]) -> str:
        shown = ", ".join(map(_shown, columns[:12]))
        what = "molecules" if self.is_smiles else "records"
        text = f"the model's {what} need the column {', '.join(missing)}; the header has {shown}"
        if self.is_smiles and self.smiles_column is None:
            text += ". If another column holds SMILES or InChI, name it by smiles_column"
        return f"{text}; {ACCEPTED_NAMES}" if self.is_candidate else text


def unique(columns: Sequence[str]) -> tuple[str, ...]:
    """Return names that are all different: a number after those that occur again or are empty."""
    seen: set[str] = set(columns)
    named: list[str] = []
    taken: set[str] = set()
    for place, column in enumerate(columns, 1):
        name = column or f"column_{place}"
        number = 2
        while name in taken or (name != column and name in seen):
            name = f"{column or f'column_{place}'}_{number}"
            number += 1
        taken.add(name)
        named.append(name)
    return tuple(named)


def readers(schema: RecordSchema) -> tuple[Reader, ...]:
    """Return the function that reads the text of each value of a record; none for a SMILES."""
    if schema.cells:
        return schema.cells
    return tuple(category if name in schema.texts else number for name in schema.names or ())


def _folded(name: str) -> str:
    """A name as it is compared: in Unicode's composed form, without case or white space around it."""
    return normalize("NFC", name.strip()).casefold()


def _shown(name: str) -> str:
    """Return a name from the input, cut to a length that an error message can have."""
    return repr(name if len(name) <= 40 else name[:40] + "…")
