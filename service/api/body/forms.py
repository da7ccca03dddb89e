"""A form with one file (``multipart/form-data``, RFC 7578), read piece by piece.

A part with a file name, or with the content type of a table, is the file. All other parts are fields,
which say what the query's parameters of their names say.
"""

import logging
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Scope

from service.api.body.decoding import check_field
from service.api.body.negotiation import PACKED_TYPES, UNKNOWN, file_format, media_type
from service.api.body.spooling import SpoolFile
from service.api.problems import Problem
from service.errors import InvalidRequest
from service.tables import NAMES, Packing, kind_of_name, packing_of

#: Bytes of the longest value of a field.
_FIELD_BYTES = 4096
#: Encodings of a part that leave its bytes as they are.
_AS_THEY_ARE = (b"", b"binary", b"8bit", b"7bit", b"identity")

# The parser logs what it raises, and each request has its own line in the log.
logging.getLogger(MultipartParser.__module__).setLevel(logging.CRITICAL)


def boundary_of(scope: Scope) -> bytes:
    """Return what parts the form; raises ``Problem`` 400 where the content type does not name it."""
    content_type = next(value for name, value in scope["headers"] if name == b"content-type")
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Problem(400, "the content type of the form names no boundary")
    return boundary


class Form:
    """Takes the body of a form in pieces; the bytes of its file go to a spool file.

    ``Problem`` and ``InvalidRequest`` are raised as soon as they are certain.
    """

    def __init__(self, boundary: bytes, spool: SpoolFile) -> None:
        """Raises ``Problem`` 400 for a boundary that cannot be one."""
        self.fields: dict[str, str] = {}
        #: The format of the file, empty before one has come.
        self.kind = ""
        self.packing: Packing = ""
        self._spool, self._pieces = spool, list[bytes]()
        self._files, self._ended = 0, False
        #: The field that is being read; None in the file.
        self._field: str | None = None
        self._value = self._name = self._content = b""
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_content,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._start,
                    "on_part_data": self._add,
                    "on_part_end": self._finish_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _broken(error) from error

    def feed(self, content: bytes) -> None:
        """Take the next bytes of the body, and write those of the file."""
        self._parse(content)
        self._spool.append(b"".join(self._pieces))
        self._pieces.clear()

    def complete(self, rest: bytes) -> BinaryIO:
        """Take the end of the body; return the file.

        Raises ``Problem`` 400 where the form has not ended, and ``InvalidRequest`` without a file.
        """
        self._parse(rest)
        if not self._ended:
            raise _broken("it ends before its last boundary")
        if not self.kind:
            raise InvalidRequest("the form has no file; send the table as a part with a file name")
        return self._spool.complete(b"".join(self._pieces))

    def _parse(self, content: bytes) -> None:
        try:
            self._parser.write(content)
        except FormParserError as error:
            raise _broken(error) from error

    def _begin(self) -> None:
        self._headers, self._field, self._value = {}, None, b""

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end_header(self) -> None:
        name = self._name.lower()
        if name in self._headers:
            raise _broken(f"a part has two headers {name.decode('latin-1')[:80]!r}")
        self._headers[name] = self._content.strip()
        self._name = self._content = b""

    def _start(self) -> None:
        """Decide what the part is, once its headers are known."""
        disposition, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if disposition != b"form-data" or b"name" not in options:
            raise _broken("a part has no 'Content-Disposition: form-data' with a name")
        for header in (b"content-encoding", b"content-transfer-encoding"):
            if self._headers.get(header, b"").lower() not in _AS_THEY_ARE:
                raise Problem(415, f"a part has a {header.decode()}; send it as it is")
        content_type = self._headers.get(b"content-type", b"")
        kind = file_format(content_type)
        if b"filename" in options or kind is not None:
            self._start_file(content_type, kind, _text(options.get(b"filename", b"")))
            return
        name = _text(options[b"name"])
        check_field(name)
        if name in self.fields:
            raise InvalidRequest(f"the field {name!r} is said twice")
        self._field = name

    def _start_file(self, content_type: bytes, kind: str | None, name: str) -> None:
        self._files += 1
        if self._files > 1:
            raise InvalidRequest("the form has several files; send each in a request of its own")
        media = media_type(content_type)
        self.packing = packing_of(name) or PACKED_TYPES.get(media, "")
        kind = kind or kind_of_name(name) or (UNKNOWN if self.packing in ("zip", "workbook") else None)
        if kind is None and name:  # browsers send an empty name where no file is chosen
            raise Problem(415, f"the file {name[:80]!r} is of type {media[:80]!r}: {NAMES}")
        self.kind = kind or ""

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._pieces.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _FIELD_BYTES:
            raise InvalidRequest(f"the field {self._field!r} is longer than {_FIELD_BYTES} bytes")

    def _finish_part(self) -> None:
        if self._field is not None:
            self.fields[self._field] = _text(self._value)

    def _end(self) -> None:
        self._ended = True


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _broken("a name or a field is not UTF-8") from error


def _broken(why: object) -> Problem:
    return Problem(400, f"the form cannot be read: {why}")
