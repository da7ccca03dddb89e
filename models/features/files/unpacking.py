"""Files that are packed: gzip, and zip archives with one table in them."""

import gzip
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import PurePath
from typing import IO, BinaryIO

from models.errors import UnreadableFile

_PIECE = 1 << 20
_MOST_MEMBERS = 10_000
#: Beginnings of the names of texts that come with tables.
_NO_TABLES = (".", "readme", "license", "licence", "changelog", "citation")
GZIP, ZIP = ".gz", ".zip"


def inner_name(name: str) -> str:
    """The name of a file of gzip when it is unpacked; any other name as it is."""
    path = PurePath(name)
    return path.with_suffix("").name if path.suffix.lower() == GZIP else name


def gunzipped(file: BinaryIO, most_bytes: int | None = None) -> Iterator[bytes]:
    """Yield the content of a file of gzip in pieces of at most a mebibyte; raises ``UnreadableFile``."""
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            yield from _pieces(packed, most_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"it is not whole, or not compressed by gzip: {error}") from error


def member_of(file: BinaryIO, suffixes: Collection[str]) -> str:
    """The name of the one table in a zip archive, known by its suffix; raises ``UnreadableFile``."""
    with _archive(file) as archive:
        entries = archive.infolist()
        if len(entries) > _MOST_MEMBERS:
            raise UnreadableFile(f"the archive has more than {_MOST_MEMBERS:,} members")
        tables = [
            entry.filename
            for entry in entries
            if not entry.is_dir()
            and not entry.filename.startswith("__MACOSX/")
            and not PurePath(entry.filename).name.lower().startswith(_NO_TABLES)
            and PurePath(entry.filename).suffix.lower() in suffixes
        ]
    if len(tables) != 1:
        named = ", ".join(name[:60] for name in tables[:8])
        what = f"{len(tables)} tables: {named}; unpack the one that is meant" if tables else "no table"
        raise UnreadableFile(f"the archive holds {what}")
    return tables[0]


def unzipped(file: BinaryIO, member: str, most_bytes: int | None = None) -> Iterator[bytes]:
    """Yield the content of a member of a zip archive in pieces; raises ``UnreadableFile``."""
    try:
        with _archive(file) as archive, archive.open(member) as packed:
            yield from _pieces(packed, most_bytes)
    except (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile(f"{member[:60]} in the archive cannot be unpacked: {error}") from error


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    try:
        file.seek(0)
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError) as error:
        raise UnreadableFile(f"it is no zip archive that can be read: {error}") from error


def _pieces(packed: IO[bytes] | gzip.GzipFile, most_bytes: int | None) -> Iterator[bytes]:
    size = 0
    while piece := packed.read(_PIECE):
        size += len(piece)
        if most_bytes is not None and size > most_bytes:
            raise UnreadableFile(f"it is larger than {most_bytes:,} bytes when it is unpacked")
        yield piece
