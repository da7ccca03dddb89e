"""Workbooks (.xlsx) by openpyxl, the extra ``excel``: the first sheet that has cells, row by row."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, BinaryIO

from models.errors import UnreadableFile

_MOST_COLUMNS, _MOST_PARTS = 4096, 2000

Cell = str | float | bool | None


def rows_of(file: BinaryIO, most_bytes: int) -> Iterator[list[Cell]]:
    """Yield the rows of the first sheet that is not empty, without empty rows; dates in ISO's form.

    ``most_bytes`` is the most that the workbook may unpack to. Raises ``UnreadableFile``.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise UnreadableFile(
            "workbooks need openpyxl, which is not installed: pip install 'snn-serving[excel]'; or save"
            " the sheet as CSV"
        ) from error
    _check_size(file, most_bytes)
    file.seek(0)
    try:
        book: Any = openpyxl.load_workbook(file, read_only=True, data_only=True)
        found = False
        for sheet in book.worksheets:
            for cells in sheet.iter_rows(values_only=True):
                row = [_plain(cell) for cell in cells]
                while row and row[-1] is None:
                    row.pop()
                if len(row) > _MOST_COLUMNS:
                    raise UnreadableFile(f"it has more than {_MOST_COLUMNS:,} columns")
                if row:
                    found = True
                    yield row
            if found:
                return
    except UnreadableFile:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise UnreadableFile(f"it is no workbook that can be read: {type(error).__name__}") from error
    raise UnreadableFile("all sheets of the workbook are empty")


def _check_size(file: BinaryIO, most_bytes: int) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableFile(
            "it is no workbook of the format .xlsx; save it as that, or as CSV"
        ) from error
    # A part is read no further than its size in the directory of the archive.
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > most_bytes:
        raise UnreadableFile(f"the workbook unpacks to more than {most_bytes:,} bytes")


def _plain(cell: object) -> Cell:
    if cell is None or isinstance(cell, (bool, str)):
        return cell
    if isinstance(cell, int):
        return float(cell) if abs(cell) < 2**53 else str(cell)
    if isinstance(cell, float):
        return cell
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == time() else cell).isoformat()
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)
