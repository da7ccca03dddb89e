"""``POST /predict`` for tables: CSV and NDJSON in, CSV, NDJSON or JSON out, of any length.

The body is kept until it is whole (``spool`` says why), and then read, predicted and answered in
pieces, two of which are on their way at a time; a client that reads slowly holds up nobody else. So
memory does not grow with the body, and neither the limit on rows nor that on bytes of a plain JSON
request applies, but one on bytes that is much larger.

A row that cannot be read or predicted is answered in its own place. Where the table cannot be read
on, the request is an error if nothing was answered yet, or else the last row says so.
"""

import asyncio
import io
from collections import deque
from collections.abc import Awaitable
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO, TypeVar

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.body.negotiation import ANSWERS, is_bulk, kinds, model_name
from service.api.body.reading import read_json
from service.api.body.spooling import Spool
from service.api.context import RequestContext, context_of
from service.api.problems import Disconnected, Problem
from service.api.routes.predict import DEFAULT_SMILES_MODEL, parse
from service.errors import InferenceFailed, InvalidRequest, MalformedInput, Overloaded
from service.inference.predictor import Predictor, Stages
from service.inference.results import results_of
from service.inference.served_models import ServedModel
from service.tables import (
    OutputLayout,
    ParsedRows,
    Parser,
    RecordSchema,
    Source,
    Writer,
    open_source,
    writer,
)

T = TypeVar("T")

#: Rows in a piece: of molecules enough for processes to be worth it, of numbers no more than can be
#: written without holding up the event loop. And pieces on their way at a time.
_MOLECULES, _NUMBERS, _PIECES = 2048, 512, 2
#: Requests of this kind at a time.
_AT_ONCE = 16
#: A client that takes nothing of its answer for so long is gone.
_PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 1.0


class TableEndpoint:
    """The route as a plain ASGI application; plain JSON goes on to ``predict``."""

    def __init__(
        self,
        predict: ASGIApp,
        predictor: Predictor,
        *,
        max_rows: int,
        max_bytes: int,
        max_stream_bytes: int,
        folder: Path | None,
    ) -> None:
        """``folder`` is where large bodies may be kept."""
        self._predict, self._predictor = predict, predictor
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._spool = Spool(folder, max_stream_bytes)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not is_bulk(scope):
            await self._predict(scope, receive, send)
            return
        sent, wanted = kinds(scope)
        if sent == "json" and wanted == "json":
            await self._predict(scope, receive, send)
            return
        if self._running >= _AT_ONCE:
            raise Overloaded(f"{self._running} tables are being answered, which is the most", 5.0)
        self._running += 1
        try:
            if sent == "json":
                name, table = _from_json(await read_json(scope, receive, self._max_bytes))
                await self._answer(scope, receive, send, name, "ndjson", wanted, table)
            else:
                name = model_name(scope) or DEFAULT_SMILES_MODEL
                self._predictor.model(name)  # an unknown one is told before a large body is taken
                async with self._spool.body(scope, receive) as body:
                    await self._answer(scope, receive, send, name, sent, wanted, body)
        finally:
            self._running -= 1

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        name: str,
        sent: str,
        wanted: str,
        body: BinaryIO,
    ) -> None:
        context, served = context_of(scope), self._predictor.model(name)
        context.model, context.traffic = served.label, served.traffic
        form = RecordSchema.of(served.bundle.featurizer)

        def open_both() -> tuple[Source, Parser, Writer]:
            source, parser = open_source(sent, body, form)
            columns = source.columns() if wanted == "csv" else ()
            version = str(served.manifest.version)
            layout = OutputLayout(
                served.manifest.name,
                version,
                served.targets,
                form.is_smiles,
                columns,
                exclusive=served.manifest.exclusive,
            )
            return source, parser, writer(wanted, layout)

        source, parser, to = await asyncio.to_thread(open_both)
        rows = min(_MOLECULES if form.is_smiles else _NUMBERS, self._max_rows)
        gone = asyncio.ensure_future(receive())
        stream = _Stream(self._predictor, served, context, source, parser, to, rows)
        try:
            with served.leased():  # every row of an answer is by one version
                await stream.run(send, ANSWERS[wanted], gone)
        finally:
            gone.cancel()


class _Stream:
    """One table on its way through."""

    def __init__(
        self,
        predictor: Predictor,
        served: ServedModel,
        context: RequestContext,
        source: Source,
        parser: Parser,
        to: Writer,
        piece_rows: int,
    ) -> None:
        self._predictor, self._served, self._context = predictor, served, context
        self._source, self._parser, self._to, self._piece_rows = source, parser, to, piece_rows
        self._stages = Stages()
        self._problem = ""

    async def run(self, send: Send, media_type: bytes, gone: asyncio.Future[Any]) -> None:
        """Read, predict and send, piece by piece."""
        pieces: deque[asyncio.Task[bytes]] = deque()
        asked, ended, started = 0, False, False
        try:
            while True:
                while len(pieces) < _PIECES and not ended:
                    piece = await self._read(started)
                    ended = piece is None
                    if piece is not None:
                        pieces.append(asyncio.create_task(self._piece(piece, asked)))
                        asked += 1
                content = await _unless(gone, pieces.popleft()) if pieces else b""
                if not started:
                    headers = self._headers(media_type)
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    content, started = self._to.head() + content, True
                if ended and not pieces:
                    content += self._to.tail(self._problem)
                    self._context.stages = self._stages
                    await _send_in_time(send, content, more=False)
                    return
                await _send_in_time(send, content, more=True)
        finally:
            for task in pieces:
                task.cancel()
            await asyncio.gather(*pieces, return_exceptions=True)

    def _headers(self, media_type: bytes) -> list[tuple[bytes, bytes]]:
        """The answer's; tables have no other place to say who computed them."""
        manifest = self._served.manifest
        return [
            (b"content-type", media_type),
            (b"x-content-type-options", b"nosniff"),
            (b"x-model-name", manifest.name.encode()),
            (b"x-model-version", str(manifest.version).encode()),
        ]

    async def _read(self, started: bool) -> ParsedRows | None:
        """The next piece, or None at the end, be it only the end of what can be read."""
        began = perf_counter()
        try:
            return await asyncio.to_thread(self._next)
        except MalformedInput as error:
            if not started:
                raise
            self._problem = str(error)
            return None
        finally:
            self._context.read += perf_counter() - began

    def _next(self) -> ParsedRows | None:
        raw = self._source.take(self._piece_rows)
        return self._parser.parse(raw) if raw else None

    async def _piece(self, piece: ParsedRows, number: int) -> bytes:
        """Predict a piece and write it out."""
        results = await self._predicted(piece.records, number) if piece.records else []
        began = perf_counter()
        self._context.rows += len(piece.carried)
        self._served.traffic.rejected["unreadable"] += len(piece.faults)

        def write() -> bytes:
            return self._to.rows(piece.carried, piece.in_place(results), first=number == 0)

        content = await asyncio.to_thread(write)
        self._context.encode += perf_counter() - began
        return content

    async def _predicted(self, records: list[object], number: int) -> list[dict[str, object]]:
        served = self._served
        while True:
            try:
                prediction = await self._predictor.predict(served, records, request=self._context)
                break
            except Overloaded as error:
                if number == 0:
                    raise
                await asyncio.sleep(min(error.retry_after, _LONGEST_PAUSE_SECONDS))
            except InferenceFailed as error:
                if number == 0:
                    raise
                return [{"status": "error", "message": str(error)} for _ in records]
        self._stages.featurize += prediction.stages.featurize
        self._stages.queue += prediction.stages.queue
        self._stages.infer += prediction.stages.infer
        return await asyncio.to_thread(
            results_of,
            records,
            prediction.outcomes,
            prediction.outputs,
            served.targets,
            served.thresholds,
            echo=served.takes_smiles,
            exclusive=served.manifest.exclusive,
        )


def _from_json(content: bytes) -> tuple[str, BinaryIO]:
    """A JSON request as the table that it is."""
    body = parse(content)
    records = body.smiles if body.inputs is msgspec.UNSET else body.inputs
    assert isinstance(records, list)
    if not records:
        raise InvalidRequest("the list of records is empty; send at least one")
    name = body.model if isinstance(body.model, str) and body.model else DEFAULT_SMILES_MODEL
    return name, io.BytesIO(msgspec.json.Encoder().encode_lines(records))


async def _unless(gone: asyncio.Future[Any], task: asyncio.Task[T]) -> T:
    """Wait for a task for as long as the client is there."""
    await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
    if gone.done():
        raise Disconnected
    return task.result()


async def _send_in_time(send: Send, content: bytes, *, more: bool) -> None:
    sent: Awaitable[None] = send({"type": "http.response.body", "body": content, "more_body": more})
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await sent
    except TimeoutError:
        text = f"nothing of the answer was taken for {_PATIENCE_SECONDS:.0f} s"
        raise Problem(408, text) from None
