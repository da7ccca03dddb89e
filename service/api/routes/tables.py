"""Answers to tables: CSV and NDJSON in, CSV, NDJSON or JSON out, of any length.

A table is read, predicted and answered in pieces, two of which are under way at a time; a client that
reads slowly delays nobody else. So memory does not grow with the table, and only its bytes are limited.

A row that cannot be read or predicted has an error in its own place. Where the table cannot be read
further, or the service fails, the request is an error if nothing was answered yet; otherwise the last
row says so.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any, BinaryIO

from starlette.types import Receive, Send

from models.features.tabular.candidate_tables import table_warnings
from service.api.body.decoding import Queried
from service.api.body.negotiation import ANSWERS
from service.api.context import RequestContext, until_gone
from service.api.encoding import layout_of, results, stated
from service.api.problems import Disconnected, Problem, problem_of
from service.errors import MalformedInput, Overloaded, ServiceError
from service.inference.answers.decision import Decision
from service.inference.predictor import Predictor, Stages
from service.inference.served_models import ServedModel
from service.tables import ParsedRows, Parser, RecordSchema, Source, Writer, open_source, writer

#: Rows in a piece: enough molecules for processes to be worth it, no more numbers than can be written
#: without holding up the event loop. And pieces under way at a time.
_MOLECULES, _NUMBERS, _PIECES = 2048, 512, 2
#: A client that takes nothing of its answer for so long is gone.
_PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 1.0


def model_headers(
    served: ServedModel, media_type: bytes, decision: Decision
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a table, which has no other place to name the model and its cut-offs."""
    manifest, thresholds = served.manifest, stated(served, decision)
    cut_offs = [] if thresholds is None else [(b"x-thresholds", json.dumps(thresholds).encode())]
    return [
        *cut_offs,
        (b"content-type", media_type),
        (b"x-content-type-options", b"nosniff"),
        (b"x-model-name", manifest.name.encode()),
        (b"x-model-version", str(manifest.version).encode()),
    ]


class TableAnswer:
    """The answer to one table."""

    def __init__(
        self,
        predictor: Predictor,
        served: ServedModel,
        context: RequestContext,
        max_rows: int,
        named: Queried,
    ) -> None:
        """``max_rows`` is the most that ``predictor`` takes at once; ``named`` is what is asked for.

        Raises what ``Queried.decision`` raises.
        """
        self._named, self._decision = named, named.decision(served)
        self._predictor, self._served, self._context = predictor, served, context
        self._piece_rows = min(_MOLECULES if served.takes_smiles else _NUMBERS, max_rows)
        self._stages = Stages()
        #: Why the table is not read to its end, if so.
        self._problem = ""

    async def run(self, body: BinaryIO, sent: str, wanted: str, receive: Receive, send: Send) -> None:
        """Read the table, predict it and send the answer, piece by piece.

        Raises ``InvalidRequest``, ``MalformedInput``, ``Disconnected``, ``Problem`` 408, and what the
        first piece's prediction raises.
        """
        source, parser, to = await asyncio.to_thread(self._open, body, sent, wanted)
        gone = asyncio.ensure_future(receive())
        pieces: deque[asyncio.Task[bytes]] = deque()
        ended, started, rows = False, False, 0
        try:
            while True:
                while len(pieces) < _PIECES and not ended:
                    piece = await self._read(source, parser, started)
                    ended = piece is None
                    if piece is not None:
                        first = not started and not pieces
                        if not rows and not self._served.takes_smiles:
                            fields = self._served.bundle.featurizer.fields
                            to.warnings = table_warnings(fields, piece.records)
                        work = self._answer(piece, to, heads=rows == 0, raises=first)
                        pieces.append(asyncio.create_task(work))
                        rows += len(piece.carried)
                content = await until_gone(pieces.popleft(), gone) if pieces else b""
                if not started:
                    headers = model_headers(self._served, ANSWERS[wanted], self._decision)
                    if to.warnings:
                        headers.append((b"x-model-warnings", _codes(to.warnings)))
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    content, started = to.head() + content, True
                if ended and not pieces:
                    self._context.stages = self._stages
                    await _send_in_time(send, content + to.tail(self._problem), more=False)
                    return
                await _send_in_time(send, content, more=True)
        except Exception as error:
            if started and not isinstance(error, Disconnected | Problem):
                # The answer says that it is cut; the middleware logs the error.
                await _send_in_time(send, to.tail(str(problem_of(error))), more=False)
            raise
        finally:
            gone.cancel()
            for task in pieces:
                task.cancel()
            await asyncio.gather(*pieces, return_exceptions=True)

    def _open(self, body: BinaryIO, sent: str, wanted: str) -> tuple[Source, Parser, Writer]:
        schema = RecordSchema.of(self._served.bundle.featurizer, self._named.smiles_column)
        source, parser = open_source(sent, body, schema)
        columns = source.columns() if wanted in ("csv", "tsv") else ()
        replaced = self._named.result_columns or "refuse"
        layout = layout_of(self._served, columns, self._decision, replaced)
        return source, parser, writer(wanted, layout)

    async def _read(self, source: Source, parser: Parser, started: bool) -> ParsedRows | None:
        """Return the next piece, or None at the end of what can be read."""
        began = perf_counter()

        def read() -> ParsedRows | None:
            raw = source.take(self._piece_rows)
            return parser.parse(raw) if raw else None

        try:
            return await asyncio.to_thread(read)
        except MalformedInput as error:
            if not started:
                raise
            self._problem = str(error)
            return None
        finally:
            self._context.read += perf_counter() - began

    async def _answer(self, piece: ParsedRows, to: Writer, *, heads: bool, raises: bool) -> bytes:
        """Predict a piece and write it.

        No row precedes a piece that ``heads`` the table. Errors of the service are the rows' own,
        unless the piece ``raises`` them.
        """
        found = await self._predicted(piece.records, raises=raises) if piece.records else []
        began = perf_counter()
        self._context.rows += len(piece.carried)
        self._served.traffic.rejected["unreadable"] += len(piece.faults)

        def write() -> bytes:
            return to.rows(piece.carried, piece.in_place(found), first=heads)

        content = await asyncio.to_thread(write)
        self._context.encode += perf_counter() - began
        return content

    async def _predicted(self, records: list[object], *, raises: bool) -> list[dict[str, object]]:
        served = self._served
        while True:
            try:
                prediction = await self._predictor.predict(
                    served,
                    records,
                    request=self._context,
                    applicability=self._context.applicability,
                )
                break
            except Overloaded as error:
                if raises:
                    raise
                await asyncio.sleep(min(error.retry_after, _LONGEST_PAUSE_SECONDS))
            except ServiceError as error:
                if raises:
                    raise
                return [{"status": "error", "message": str(error)} for _ in records]
        self._stages.featurize += prediction.stages.featurize
        self._stages.queue += prediction.stages.queue
        self._stages.infer += prediction.stages.infer
        found = (served, records, prediction.outcomes, prediction.outputs, self._decision)
        return await asyncio.to_thread(results, *found)


def _codes(odd: Sequence[Any]) -> bytes:
    """Return warnings of the table as a header has them: code and sentence, in ASCII."""
    text = "; ".join(f"{each.code}: {each.message}" for each in odd)
    return text.replace("²", "^2").encode("ascii", errors="replace")


async def _send_in_time(send: Send, content: bytes, *, more: bool) -> None:
    message: dict[str, Any] = {"type": "http.response.body", "body": content, "more_body": more}
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await send(message)
    except TimeoutError:
        text = f"nothing of the answer was taken for {_PATIENCE_SECONDS:.0f} s"
        raise Problem(408, text) from None
