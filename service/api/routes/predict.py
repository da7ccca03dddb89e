"""``POST /predict``: JSON requests are answered at once, tables in pieces.

msgspec decodes and encodes without models in between: for a single row the web layer costs more than
the network does.
"""

import asyncio
from pathlib import Path
from time import perf_counter

from starlette.types import Receive, Scope, Send

from service.api import encoding
from service.api.body.decoding import (
    DEFAULT_SMILES_MODEL,
    Asked,
    Limits,
    Queried,
    parse,
    queried,
)
from service.api.body.negotiation import ANSWERS, FORM, answer_format, body_format
from service.api.body.reading import read_body
from service.api.body.torn_text import TORN, TornRecord
from service.api.body.uploads import received_table
from service.api.context import context_of
from service.api.problems import send_json
from service.api.routes.tables import TableAnswer, model_headers
from service.errors import InvalidRequest, Overloaded
from service.inference.answers.decision import Decision
from service.inference.explanation.nearest import check_nearest, with_nearest
from service.inference.predictor import Prediction, Predictor
from service.inference.served_models import ServedModel
from service.tables import ParsedRows, RecordSchema
from service.tables.ndjson import add_value

#: Records of these types have fields that their results carry.
_WITH_FIELDS = frozenset((dict, TornRecord))
#: Tables that are answered at a time.
_TABLES = 16


class PredictEndpoint:
    """The route as a plain ASGI application."""

    def __init__(self, predictor: Predictor, limits: Limits, folder: Path | None) -> None:
        """``folder`` is where large tables may be kept."""
        self._predictor, self._limits, self._folder = predictor, limits, folder
        self._tables = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises ``Problem``, ``Disconnected``, ``MalformedInput``, and what ``Predictor.predict`` raises.
        """
        sent = body_format(scope)
        wanted = answer_format(scope, sent)
        named = queried(scope)
        if sent != "json":
            await self._answer_table(scope, receive, send, named, sent)
            return
        context, started = context_of(scope), perf_counter()
        asked = parse(await read_body(scope, receive, self._limits.bytes), named)
        served = self._predictor.model(asked.model).answering(asked.version, context)
        if asked.keyed and not served.takes_smiles:
            text = f"model {asked.model!r} does not take SMILES; send its records as 'inputs'"
            raise InvalidRequest(text)
        decision = served.decide(asked.cut_offs, interval=asked.interval)
        context.ask(served)
        context.applicability = asked.applicability
        if asked.nearest:
            if wanted != "json":
                raise InvalidRequest("'nearest' is answered as JSON; ask for it with Accept")
            check_nearest(served, len(asked.records))
        plain = wanted == "json" and _WITH_FIELDS.isdisjoint(map(type, asked.records))
        rows = None if plain else _rows(asked, served, named.smiles_column)
        context.read = perf_counter() - started
        records = asked.records if rows is None else rows.records
        prediction = await context.predict(self._predictor, served, records, receive)
        if asked.nearest:
            prediction = await asyncio.to_thread(with_nearest, prediction, records, asked.nearest)
        started = perf_counter()
        if len(records) <= encoding.MANY:
            content = _written(asked, prediction, rows, wanted, decision)
        else:
            content = await asyncio.to_thread(_written, asked, prediction, rows, wanted, decision)
        context.encode = perf_counter() - started
        if wanted == "json":
            await send_json(send, 200, content)
        else:
            headers = [
                *model_headers(served, ANSWERS[wanted], decision),
                (b"content-length", b"%d" % len(content)),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": content})

    async def _answer_table(
        self, scope: Scope, receive: Receive, send: Send, named: Queried, sent: str
    ) -> None:
        if sent != FORM or named.model is not None:  # a form's fields may name the model
            served, version = self._named(named)
            served.of_version(version)  # an unknown model is refused before a large body arrives
        if self._tables >= _TABLES:
            raise Overloaded(f"{self._tables} tables are being answered, which is the most", 5.0)
        self._tables += 1
        try:
            async with received_table(
                scope, receive, self._limits.table_bytes, self._folder, sent, named
            ) as table:
                context = context_of(scope)
                served, version = self._named(table.named)
                served = served.answering(version, context)
                context.ask(served)
                context.applicability = table.named.applicability
                answer = TableAnswer(self._predictor, served, context, self._limits.rows, table.named)
                wanted = answer_format(scope, table.kind)
                with served.leased():  # every row of an answer is by one version
                    await answer.run(table.file, table.kind, wanted, receive, send)
        finally:
            self._tables -= 1

    def _named(self, named: Queried) -> tuple[ServedModel, str | None]:
        name = DEFAULT_SMILES_MODEL if named.model is None else named.model
        return self._predictor.model(name), named.version


def _rows(asked: Asked, served: ServedModel, smiles_column: str | None) -> ParsedRows:
    """Return the records with the fields that they carry; null stands for one without ``smiles``."""
    rows, schema = ParsedRows(), RecordSchema.of(served.bundle.featurizer, smiles_column)
    for record in asked.records:
        if isinstance(record, TornRecord):
            rows.refuse(record.carried(is_smiles=schema.is_smiles), TORN)
        else:
            add_value(rows, record, schema)
    for place in rows.faults:
        rows.records.insert(place, None)
    return rows


def _written(
    asked: Asked, prediction: Prediction, rows: ParsedRows | None, wanted: str, decision: Decision
) -> bytes:
    if rows is not None and wanted != "json":
        return encoding.table(prediction, rows, wanted, decision)
    if asked.keyed:
        records = asked.records if rows is None else rows.records
        return encoding.keyed(prediction, records, rows, decision)
    if rows is not None:
        return encoding.with_fields(prediction, rows, decision)
    return encoding.listed(
        prediction.served, asked.records, prediction.outcomes, prediction.outputs, decision
    )
