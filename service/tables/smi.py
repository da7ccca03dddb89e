"""Lists of SMILES: a molecule a line, with its name or other text after a blank or a tab.

A file of the same kind that begins with a header is a table, and is read as one. A line that begins with
``#`` is a comment.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

from service.errors import InvalidRequest
from service.tables.base import MAX_RECORD_BYTES, ParsedRows, Parser, Raw, Source
from service.tables.csv import open_csv
from service.tables.schema import RecordSchema
from service.tables.splitting import Cut, RecordSplitter, decoded, full_lines

#: Extensions of CXSMILES that belong to the record: groups, of which some are polymers, and radicals.
_EXTENSIONS = re.compile(r"\|[^|]*(?:Sg:|\^[1-7]:)[^|]*\|")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SmiParser:
    """Parses lines."""

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse lines, in order."""
        piece = ParsedRows()
        for line in raw:
            if len(line) > MAX_RECORD_BYTES:
                piece.refuse({}, f"the line is longer than {MAX_RECORD_BYTES} bytes")
                continue
            smiles, *name = decoded(line).split(None, 1)
            after = name[0].rstrip() if name else ""
            extensions = _EXTENSIONS.match(after)
            record = f"{smiles} {extensions[0]}" if extensions else smiles
            piece.add({"smiles": smiles, "name": after}, record)
        return piece


def open_smi(file: BinaryIO, schema: RecordSchema) -> tuple[Source, Parser]:
    """Return the source of the lines and their parser, or those of a table if the file has a header.

    Raises ``InvalidRequest`` for a model that does not take molecules and no header that it needs.
    """
    file.seek(0)
    start = 3 if file.read(3) == _MARK else 0
    first, end = next(full_lines(file, start), (b"", 0))
    if schema.is_smiles and _is_header_of_names(first):
        start = end
    else:
        try:
            return open_csv(file, schema)
        except InvalidRequest:
            if not schema.is_smiles or schema.smiles_column is not None:
                raise
    return RecordSplitter(file, start, _lines, ("smiles", "name")), SmiParser()


def _is_header_of_names(line: bytes) -> bool:
    """Whether a line is a header whose names are parted by blanks, as ``smiles name``."""
    words = line.lower().split()
    return len(words) > 1 and b"smiles" in words[0] and not any(mark in line for mark in b",;\t")


def _lines(file: BinaryIO, position: int) -> Cut:
    """Yield the lines that are neither blank nor comments."""
    for line, end in full_lines(file, position):
        if not line.lstrip(b" \t").startswith(b"#"):
            yield line, end
