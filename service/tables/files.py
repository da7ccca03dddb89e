"""Files by the endings of their names, compressed or not; and contents that are named otherwise."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath
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
#: What a file's name should be.
NAMES = (
    f"the name should end in one of {', '.join(SUFFIXES)}, which says what is in it, and in {_GZIP}"
    " after that if it is compressed"
)

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
    kind = kind_of_name(path.name)
    if kind is None:
        raise InvalidRequest(f"{path.name}: {NAMES}")
    return kind


def kind_of_name(name: str) -> str | None:
    """Return the kind of a file by the suffix of its name; None for an unknown suffix."""
    path = PurePath(name)
    plain = path.with_suffix("") if is_compressed(name) else path
    return SUFFIXES.get(plain.suffix.lower())


def is_compressed(name: str) -> bool:
    """Return whether a file of this name is compressed."""
    return PurePath(name).suffix.lower() == _GZIP


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
    if not is_compressed(path.name):
        return path.open("rb")
    plain = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - it is returned
    try:
        with path.open("rb") as compressed:
            for piece in decompressed(compressed, path.name):
                plain.write(piece)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


def decompressed(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the content of a file compressed by gzip in pieces of at most a mebibyte.

    Raises ``OSError``, and ``MalformedInput`` for a damaged file, which it calls ``name``.
    """
    try:
        with gzip.GzipFile(fileobj=file) as compressed:
            while piece := compressed.read(1 << 20):
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MalformedInput(f"{name} is not whole, or not compressed by gzip: {error}") from error


def check_text(file: BinaryIO) -> None:
    """Raise ``MalformedInput`` for a content that is certainly no text in UTF-8 or Latin-1."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    for beginning, what in _NOT_TEXT:
        if head.startswith(beginning):
            raise MalformedInput(what)
