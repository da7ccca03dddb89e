"""What a file's content is where its name says that it is text."""

from models.errors import UnreadableFile

#: What a file of text cannot begin with, and what it is then.
_NOT_TEXT = (
    (b"\x1f\x8b", "the content is compressed by gzip; decompress it, or end the file's name in .gz"),
    (b"PK\x03\x04", "the content is a workbook or a zip archive; end the file's name in .xlsx or .zip"),
    (b"\xd0\xcf\x11\xe0", "the content is a workbook; save it as CSV"),
    (b"PAR1", "the content is Parquet; end the file's name in .parquet"),
    (b"%PDF-", "the content is a PDF file; save the table as CSV"),
    (b"SIMPLE  =", "the content is a FITS file; save the table as CSV"),
    (b"\x89HDF", "the content is an HDF5 file; save the table as CSV or Parquet"),
    (b"SQLite format 3", "the content is a SQLite database; save the table as CSV or Parquet"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BEGINNING = 4096


def check_text(content: bytes) -> None:
    """Raise ``UnreadableFile`` for a beginning that is certainly no text."""
    for beginning, what in _NOT_TEXT:
        if content.startswith(beginning):
            raise UnreadableFile(what)
    if not content.startswith(_UTF16) and b"\0" in content[:_BEGINNING]:
        raise UnreadableFile("the content is no text, or UTF-16 without its mark; save it as UTF-8")


def is_utf16(content: bytes) -> bool:
    """Whether a content begins with the mark of UTF-16."""
    return content.startswith(_UTF16)
