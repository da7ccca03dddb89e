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
    with SpoolFile(folder) as file:
        rest = await read_body(scope, receive, limit, file.append)
        yield await asyncio.to_thread(file.complete, rest)


class SpoolFile:
    """A file without a name, made when the first bytes are appended."""

    def __init__(self, folder: Path | None) -> None:
        """Make the file in ``folder``, as ``spooled_body`` says."""
        self._folder = folder
        self._opened: BinaryIO | None = None

    def __enter__(self) -> "SpoolFile":
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        if self._opened is not None:
            self._opened.close()

    def append(self, content: bytes) -> None:
        """Write; raises ``Problem`` 503 where that is not possible."""
        try:
            if self._opened is None:
                self._opened = self._open()
            self._opened.write(content)
        except OSError as error:
            raise Problem(503, f"there is no room to keep the body: {error.strerror}") from error

    def complete(self, rest: bytes) -> BinaryIO:
        """Return all that was appended and ``rest``, which alone stays in memory; raises the same."""
        if self._opened is None:
            return io.BytesIO(rest)
        self.append(rest)
        self._opened.seek(0)
        return self._opened

    def _open(self) -> BinaryIO:
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                return tempfile.TemporaryFile(dir=self._folder)
            except OSError:  # read-only: the system's folder is used
                pass
        return tempfile.TemporaryFile()
