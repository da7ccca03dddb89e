"""Columns of categories."""

from collections import Counter
from collections.abc import Sequence

from models.features.tabular.columns import written
from training.data.tables.columns.column import Column
from training.data.tables.files.table import Table
from training.errors import DataError

#: A category with fewer rows is merged into "other"; of more than so many, the rare ones are hashed.
RARE, MOST_CATEGORIES, BUCKETS = 10, 64, 1024
#: Texts of which more than this share are different tell rows apart, not groups of them.
_MOSTLY_DIFFERENT, _LONGEST = 0.9, 200


def column_of_categories(table: Table, name: str, cells: Sequence[object], most: int) -> Column:
    """A column of texts, of which ``most`` stand for themselves; raises ``DataError`` for others."""
    values = [None if cell is None else written(cell) for cell in cells]
    counts = Counter(value for value in values if value is not None)
    long = next((value for value in counts if len(value) > _LONGEST), None)
    many = len(counts) > MOST_CATEGORIES
    common = [value for value, rows in counts.most_common(most) if rows >= RARE]
    if many and not common:
        common = [counts.most_common(1)[0][0]]  # all others are hashed
    share = len(counts) / sum(counts.values())
    if long is not None:
        raise DataError(
            f"{table.name}, column {name}: it has texts of more than {_LONGEST} characters, which are no"
            f" categories; leave it out by --ignore {name}"
        )
    if not common or share > (_MOSTLY_DIFFERENT if many else 0.5):
        raise DataError(
            f"{table.name}, column {name}: {len(counts):,} different texts in {len(values):,} rows are"
            f" no categories; leave it out by --ignore {name}"
        )
    known, optional = sorted(common), None in values
    constructed: list[object] = [*known[:MOST_CATEGORIES]]
    if optional:
        constructed.append(None)
    entry: dict[str, object] = {
        "name": name,
        "kind": "category",
        "optional": optional,
        "other": len(counts) > len(known),
        "values": known,
    }
    notice = ""
    if many and entry["other"]:
        entry["buckets"] = BUCKETS
        constructed += [f"no. {number}" for number in range(8)]
        notice = (
            f"column {name} has {len(counts):,} different texts: {len(known):,} are categories of their"
            f" own, the others share {BUCKETS} by their hash"
        )
    said = "; ".join(filter(None, (notice, _alike(name, counts))))
    return Column(entry, list(values), constructed, said)


def _alike(name: str, counts: Counter[str]) -> str:
    """A sentence where texts differ in capitals alone, which are categories each."""
    spellings: dict[str, list[str]] = {}
    for text in counts:
        spellings.setdefault(text.casefold(), []).append(text)
    alike = next((texts for texts in spellings.values() if len(texts) > 1 and len(texts[0]) > 1), None)
    if alike is None:
        return ""
    return (
        f"warning: column {name} has texts that differ in capitals alone, such as"
        f" {' and '.join(map(repr, sorted(alike)[:3]))}; each is a category of its own"
    )
