"""Keeps a large body until it is whole: in memory while it is small, in a nameless file beyond.

Most clients read nothing of an answer before they have sent all of their request. Were the answer
written meanwhile, both sides would wait for each other as soon as the buffers between them are full;
so the body comes first, and its answer is streamed from there.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.types import Receive, Scope

from service.api.body.reading import drain
from service.api.problems import Disconnected, Problem

#: Up to here a body stays in memory; a file is written in steps of this size.
_IN_MEMORY = 1024 * 1024
#: A body has so long to arrive, and a second more for each so many bytes of it.
_SECONDS = 30.0
_BYTES_PER_SECOND = 16 * 1024


class Spool:
    """Takes bodies in."""

    def __init__(self, folder: Path | None, limit: int) -> None:
        """``folder`` is where files may be made, the system's own place where it cannot be written."""
        self._folder, self._limit = folder, limit

    @asynccontextmanager
    async def body(self, scope: Scope, receive: Receive) -> AsyncIterator[BinaryIO]:
        """The whole body as a file; raises ``Problem`` 408, 413, 415 or 503, or ``Disconnected``."""
        for name, value in scope["headers"]:
            if name == b"content-encoding" and value.lower() != b"identity":
                raise Problem(415, "compressed bodies are not taken here; send it as it is")
            if name == b"content-length" and int(value) > self._limit:
                await drain(receive)
                raise self._too_large()
        with io.BytesIO() as small:
            file = await self._take(receive, small)
            with file:
                yield file

    async def _take(self, receive: Receive, small: io.BytesIO) -> BinaryIO:
        loop = asyncio.get_running_loop()
        began = loop.time()
        file: BinaryIO | None = None
        size = 0
        more = True
        try:
            async with asyncio.timeout(_SECONDS) as patience:
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    size += small.write(message.get("body", b""))
                    more = message.get("more_body", False)
                    patience.reschedule(began + _SECONDS + size / _BYTES_PER_SECOND)
                    if size > self._limit:
                        if more:
                            await drain(receive)
                        raise self._too_large()
                    if small.tell() > _IN_MEMORY or (file is not None and not more):
                        file = await asyncio.to_thread(self._append, file, small)
        except TimeoutError:
            text = f"the body did not arrive within {_SECONDS:.0f} s and {_BYTES_PER_SECOND} bytes/s"
            self._close(file)
            raise Problem(408, text, [(b"connection", b"close")]) from None
        except BaseException:
            self._close(file)
            raise
        return small if file is None else file

    def _append(self, file: BinaryIO | None, small: io.BytesIO) -> BinaryIO:
        try:
            if file is None:
                file = self._create()
            file.write(small.getbuffer()[: small.tell()])
        except OSError as error:
            self._close(file)
            raise Problem(503, f"there is no room to keep the body: {error.strerror}") from error
        small.seek(0)
        small.truncate()
        return file

    def _create(self) -> BinaryIO:
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                return tempfile.TemporaryFile(dir=self._folder)
            except OSError:  # read-only: the system's own place it is
                pass
        return tempfile.TemporaryFile()

    @staticmethod
    def _close(file: BinaryIO | None) -> None:
        if file is not None:
            file.close()

    def _too_large(self) -> Problem:
        text = f"the body is larger than {self._limit} bytes; send it in several, or score it offline"
        return Problem(413, text, [(b"connection", b"close")])
