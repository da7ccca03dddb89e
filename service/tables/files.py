"""Files by the endings of their names, compressed or not; and contents that are named otherwise."""

import gzip
import shutil
import zlib
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from service.errors import InvalidRequest, MalformedInput

#: The kind of a file by the suffix of its name.
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".smi": "smi",
    ".smiles": "smi",
    ".txt": "smi",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".parquet": "parquet",
    ".pq": "parquet",
}
#: The kinds that results can be written as.
OUTPUT_SUFFIXES = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_GZIP = ".gz"

#: What a file of text cannot begin with, and what it is then.
_NOT_TEXT = (
    (b"\x1f\x8b", "the content is compressed by gzip; decompress it, or end the file's name in .gz"),
    (b"PK\x03\x04", "the content is a workbook or a zip archive; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "the content is a workbook; save it as CSV"),
    (b"PAR1", "the content is Parquet; end the file's name in .parquet"),
    (b"\xff\xfe", "the text is UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "the text is UTF-16; save it as UTF-8"),
)


def kind_of(path: Path) -> str:
    """Return the kind of a file by its suffix; raises ``InvalidRequest`` for an unknown suffix."""
    plain = path.with_suffix("") if path.suffix.lower() == _GZIP else path
    kind = SUFFIXES.get(plain.suffix.lower())
    if kind is None:
        raise InvalidRequest(
            f"{path.name}: the name should end in one of {', '.join(SUFFIXES)}, which says what is in"
            f" it, and in {_GZIP} after that if it is compressed"
        )
    return kind


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
    """Open a file; what is compressed is decompressed into a temporary file, which can be sought in.

    Raises ``OSError``, and ``MalformedInput`` for a compressed file that is damaged.
    """
    if path.suffix.lower() != _GZIP:
        return path.open("rb")
    plain = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - it is returned
    try:
        with gzip.open(path) as compressed:
            shutil.copyfileobj(compressed, plain, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        plain.close()
        raise MalformedInput(f"{path.name} is not whole, or not compressed by gzip: {error}") from error
    plain.seek(0)
    return plain


def check_text(file: BinaryIO) -> None:
    """Raise ``MalformedInput`` for a content that is certainly no text in UTF-8 or Latin-1."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    for beginning, what in _NOT_TEXT:
        if head.startswith(beginning):
            raise MalformedInput(what)
