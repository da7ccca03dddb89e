"""Files by the endings of their names, compressed or not; and contents that are named otherwise."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import BinaryIO, Literal, cast

from models.errors import UnreadableFile
from models.features.files import content
from models.features.files.unpacking import gunzipped, member_of, unzipped
from models.features.files.workbook import rows_of
from service.errors import InvalidRequest, MalformedInput

#: The kind of a file by the suffix of its name.
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".smi": "smi",
    ".smiles": "smi",
    ".txt": "smi",
    ".dat": "csv",
    ".data": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arff": "arff",
    ".xlsx": "csv",
    ".xlsm": "csv",
}
#: The kinds that results can be written as.
OUTPUT_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_GZIP, _ZIP, _WORKBOOKS = ".gz", ".zip", (".xlsx", ".xlsm")
#: How a file is packed: a workbook is read as the CSV file that it would be saved as.
Packing = Literal["", "gzip", "zip", "workbook"]
#: Bytes that a workbook may unpack to, which are parsed in memory in part.
_WORKBOOK_BYTES = 256 << 20
_TOGETHER, _HEAD_BYTES = 512, 4096
#: Below this a float represents every integer exactly.
_EXACT = 2.0**53
#: What a file's name should be.
NAMES = (
    f"the name should end in one of {', '.join(SUFFIXES)}, which says what is in it, and in {_GZIP}"
    f" after that if it is compressed; an archive of one such file ends in {_ZIP}"
)


def kind_of(path: Path) -> str:
    """Return the kind of a file by its suffix, of a zip archive that of its one table.

    Raises ``InvalidRequest`` for an unknown suffix or an archive that does not hold one table.
    """
    if packing_of(path.name) == "zip" and path.is_file():
        with path.open("rb") as file:
            return _member(file, path.name)[1]
    kind = kind_of_name(path.name)
    if kind is None:
        raise InvalidRequest(f"{path.name}: {NAMES}")
    return kind


def kind_of_name(name: str) -> str | None:
    """Return the kind of a file by the suffix of its name; None for an unknown suffix, or an archive."""
    path = PurePath(name)
    plain = path.with_suffix("") if packing_of(name) == "gzip" else path
    return SUFFIXES.get(plain.suffix.lower())


def packing_of(name: str) -> Packing:
    """Return how a file of this name is packed."""
    suffix = PurePath(name).suffix.lower()
    return "gzip" if suffix == _GZIP else "zip" if suffix == _ZIP else _workbook(suffix)


def _workbook(suffix: str) -> Packing:
    return "workbook" if suffix in _WORKBOOKS else ""


def output_kind_of(path: Path) -> str:
    """Return the kind of a file of results; raises ``InvalidRequest`` for another suffix."""
    kind = OUTPUT_SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise InvalidRequest(
            f"{path.name}: results cannot be written as this; choose a name that ends in"
            f" {', '.join(OUTPUT_SUFFIXES)}"
        )
    return kind


def open_file(path: Path) -> BinaryIO:
    """Open a file; what is packed is unpacked into a temporary file, which can be sought in.

    Raises ``OSError``, and ``MalformedInput`` for a packed file that is damaged.
    """
    packing = packing_of(path.name)
    if not packing:
        return path.open("rb")
    plain = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - it is returned
    try:
        with path.open("rb") as packed:
            unpack(packed, packing, path.name, plain.write)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


def unpack(file: BinaryIO, packing: Packing, name: str, write: Callable[[bytes], object]) -> str | None:
    """Give the content of a packed file to ``write`` in pieces; return its kind if the name had none.

    Raises ``OSError``, what ``write`` raises, and ``MalformedInput`` for a damaged file, which it calls
    ``name``.
    """
    kind: str | None = None
    try:
        if packing == "zip":
            member, kind = _member(file, name)
            pieces = unzipped(file, member)
            if _workbook(PurePath(member).suffix.lower()):
                raise UnreadableFile("the archive holds a workbook; unpack it")
        elif packing == "workbook":
            kind, pieces = "csv", _as_csv(file)
        else:
            pieces = gunzipped(file)
        for piece in pieces:
            write(piece)
    except UnreadableFile as fault:
        raise MalformedInput(f"{name}: {fault}") from fault
    return kind


def _member(file: BinaryIO, name: str) -> tuple[str, str]:
    """Return the one table of an archive and its kind; raises ``InvalidRequest``."""
    try:
        member = member_of(file, SUFFIXES)
    except UnreadableFile as fault:
        raise InvalidRequest(f"{name}: {fault}") from fault
    return member, SUFFIXES[PurePath(member).suffix.lower()]


def _as_csv(file: BinaryIO) -> Iterator[bytes]:
    """Yield the first sheet of a workbook as CSV; every row is as wide as the first."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    width = 0
    for number, row in enumerate(rows_of(file, _WORKBOOK_BYTES)):
        width = width or len(row)
        write([_cell(cell) for cell in row + [None] * (width - len(row))])
        if number % _TOGETHER == _TOGETHER - 1:
            yield text.getvalue().encode(errors="replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode(errors="replace")


def _cell(cell: object) -> object:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return int(cell)
    return str(cell).lower() if isinstance(cell, bool) else cell


def check_text(file: BinaryIO) -> None:
    """Raise ``MalformedInput`` for a content that is certainly no text in UTF-8 or Latin-1."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if content.is_utf16(head):
        raise MalformedInput("the text is UTF-16; save it as UTF-8")
    try:
        content.check_text(head)
    except UnreadableFile as fault:
        raise MalformedInput(str(fault)) from fault
