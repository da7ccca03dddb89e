"""The table of a request: its body, or the file of its form."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from starlette.types import Receive, Scope

from service.api.body.decoding import Queried, with_fields
from service.api.body.forms import Form, boundary_of
from service.api.body.negotiation import FORM, UNKNOWN, packing_of_body
from service.api.body.reading import read_body
from service.api.body.spooling import SpoolFile, spooled_body
from service.errors import TooLarge
from service.tables import Packing, unpack


class Table(NamedTuple):
    """A table that has arrived, its format, and what the request names."""

    file: BinaryIO
    kind: str
    named: Queried


@asynccontextmanager
async def received_table(
    scope: Scope, receive: Receive, limit: int, folder: Path | None, sent: str, named: Queried
) -> AsyncIterator[Table]:
    """Yield the table of a body of format ``sent``; neither has more than ``limit`` bytes.

    ``folder`` is where a large one is kept, as ``spooled_body`` says, and ``named`` the query. Raises
    what ``spooled_body``, ``Form`` and ``with_fields`` raise, and for a compressed file
    ``MalformedInput`` and ``TooLarge``.
    """
    if sent not in (FORM, UNKNOWN):
        async with spooled_body(scope, receive, limit, folder) as file:
            yield Table(file, sent, named)
        return
    with SpoolFile(folder) as spool, SpoolFile(folder) as plain:
        if sent == UNKNOWN:
            rest = await read_body(scope, receive, limit, spool.append)
            file, kind, packing = spool.complete(rest), UNKNOWN, packing_of_body(scope)
        else:
            form = Form(boundary_of(scope), spool)
            rest = await read_body(scope, receive, limit, form.feed)
            file = await asyncio.to_thread(form.complete, rest)
            named, kind, packing = with_fields(named, form.fields), form.kind, form.packing
        if packing:
            file, found = await asyncio.to_thread(_unpack, file, packing, plain, limit)
            kind = found or kind
        yield Table(file, kind, named)


def _unpack(
    file: BinaryIO, packing: Packing, plain: SpoolFile, limit: int
) -> tuple[BinaryIO, str | None]:
    """Unpack a file into ``plain``; return it, and its kind where its packing tells."""
    size = 0

    def write(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > limit:
            raise TooLarge(
                f"the file is larger than {limit} bytes when it is decompressed; send the records in"
                " several requests"
            )
        plain.append(piece)

    kind = unpack(file, packing, "the file", write)
    return plain.complete(b""), kind
