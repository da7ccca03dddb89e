"""Keeps the body of a table until all of it has arrived: small in memory, large in an unnamed file.

Most clients read nothing of an answer before they have sent all of their request. If the answer was
written meanwhile, both sides would wait for each other as soon as the buffers between them are full.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.types import Receive, Scope

from service.api.body.reading import read_body
from service.api.problems import Problem


@asynccontextmanager
async def spooled_body(
    scope: Scope, receive: Receive, limit: int, folder: Path | None
) -> AsyncIterator[BinaryIO]:
    """Yield the body of at most ``limit`` bytes as a binary file.

    A file is made in ``folder``; without one, or where it is read-only, in the system's folder for
    temporary files. Raises ``Problem`` 503 where it cannot be written, and what ``read_body`` raises.
    """
    with _SpoolFile(folder) as file:
        rest = await read_body(scope, receive, limit, file.append)
        if file.opened is None:
            yield io.BytesIO(rest)
        else:
            await asyncio.to_thread(file.append, rest)
            file.opened.seek(0)
            yield file.opened


class _SpoolFile:
    """A file without a name, made when the first bytes are appended."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.opened: BinaryIO | None = None

    def __enter__(self) -> "_SpoolFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self.opened is not None:
            self.opened.close()

    def append(self, content: bytes) -> None:
        try:
            if self.opened is None:
                self.opened = self._open()
            self.opened.write(content)
        except OSError as error:
            raise Problem(503, f"there is no room to keep the body: {error.strerror}") from error

    def _open(self) -> BinaryIO:
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                return tempfile.TemporaryFile(dir=self._folder)
            except OSError:  # read-only: the system's folder is used
                pass
        return tempfile.TemporaryFile()
