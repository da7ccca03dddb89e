"""``POST /invocations``: tables as clients of MLflow's scoring server send them.

Source: "Inference Server Specification" of MLflow, with the ``instances`` and ``inputs`` of TensorFlow
Serving. The model is the query's, or the one whose columns the records have. Keys, limits and errors are
those of ``POST /predict``.
"""

import asyncio
import io
import re
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
from fastapi import APIRouter, Response
from msgspec import UNSET
from starlette.types import Receive, Scope, Send

from models.features.files.text_head import names_in_comment
from service.api import encoding
from service.api.body.decoding import (
    DEFAULT_SMILES_MODEL,
    Limits,
    Queried,
    decode,
    queried,
    with_fields,
)
from service.api.body.negotiation import ANSWERS, answer_format, body_format
from service.api.body.reading import read_body
from service.api.body.torn_text import TORN, TornRecord, with_torn_records
from service.api.context import context_of
from service.api.openapi import SYNTHETIC_PARAMETER, TIMEOUT_PARAMETER, answers, content_of
from service.api.problems import Problem
from service.api.result_schemas import Predictions
from service.api.routes.tables import model_headers
from service.api.schemas import Invocation
from service.errors import InvalidRequest, TooLarge
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModel, ServedModels
from service.tables import ParsedRows, RecordSchema, open_source
from service.tables.csv_header import read_head
from service.tables.ndjson import add_value

PATH = "/invocations"
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_PLAIN, _BY_TARGET = (str, int, float), ("threshold", "recall", "fpr")
_HEAD_BYTES = 65_536
_PARTING = re.compile(r"[,;|\t]")
_decoder = msgspec.json.Decoder(Invocation)


class InvocationsEndpoint:
    """The route as a plain ASGI application."""

    def __init__(self, served_models: ServedModels, predictor: Predictor, limits: Limits) -> None:
        self._served_models, self._predictor, self._limits = served_models, predictor, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises ``Problem``, ``Disconnected``, ``MalformedInput``, and what ``Predictor.predict`` raises.
        """
        sent = body_format(scope)
        if sent not in ("json", "csv", "tsv"):
            raise Problem(415, "send application/json or text/csv here, and other tables to /predict")
        if answer_format(scope, "json") != "json":
            raise Problem(406, "answers are application/json")
        context, started, named = context_of(scope), perf_counter(), queried(scope)
        content = await read_body(scope, receive, self._limits.bytes)
        if sent != "json":
            served = self._model(named, _header(content)).answering(named.version, context)
            rows = await asyncio.to_thread(_rows_of_csv, content, served, self._limits.rows)
        else:
            records, params = _records(decode(content, _decoder, repair=with_torn_records))
            named = with_fields(named, params)
            served = self._model(named, records).answering(named.version, context)
            rows = _rows(records, RecordSchema.of(served.bundle.featurizer, named.smiles_column))
        decision = named.decision(served)
        for place in rows.faults:
            rows.records.insert(place, None)
        context.ask(served)
        context.applicability = named.applicability
        context.read = perf_counter() - started
        prediction = await context.predict(self._predictor, served, rows.records, receive)
        started = perf_counter()
        answer = await asyncio.to_thread(encoding.predictions, prediction, rows, decision)
        context.encode = perf_counter() - started
        headers = [
            *model_headers(served, ANSWERS["json"], decision),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _model(self, named: Queried, records: Sequence[Any]) -> ServedModel:
        """The model of the query, or the one that the first record fits; raises ``InvalidRequest``."""
        if named.model is not None:
            return self._predictor.model(named.model)
        states = self._served_models.states().values()
        all_served = [state.served for state in states if state.served is not None]
        first = next((each for each in records if not isinstance(each, TornRecord)), None)
        fitting = [served for served in all_served if _fits(served, first)]
        widest = max((len(served.bundle.featurizer.fields) for served in fitting), default=0)
        best = [served for served in fitting if len(served.bundle.featurizer.fields) == widest]
        default = [served for served in best if served.manifest.name == DEFAULT_SMILES_MODEL]
        chosen = default if default and not widest else best
        if first is None and len(all_served) != 1:
            raise InvalidRequest(
                "there is no record to know the model by; say by ?model= which is meant"
            )
        if len(chosen) != 1:
            names = ", ".join(served.manifest.name for served in chosen)
            why = f"{names} have these columns" if chosen else "no model has these columns"
            raise InvalidRequest(f"{why}; say by ?model= which is meant")
        return chosen[0]


def _fits(served: ServedModel, record: object) -> bool:
    fields = served.bundle.featurizer.fields
    if isinstance(record, dict):
        try:
            RecordSchema.of(served.bundle.featurizer).places(list(record))
        except InvalidRequest:
            return False
        return True
    if isinstance(record, list):
        return bool(fields) and len(record) == len(fields)
    return served.takes_smiles and isinstance(record, str)


def _records(body: Invocation) -> tuple[list[Any], dict[str, str]]:
    """The records of a body, and its parameters; raises ``InvalidRequest``."""
    given = [form for form in _FORMS if getattr(body, form) is not UNSET]
    if len(given) != 1:
        raise InvalidRequest(f"send one of {', '.join(map(repr, _FORMS))}")
    value = getattr(body, given[0])
    params = {} if body.params is UNSET or body.params is None else body.params
    known = set(Queried._fields) - {"result_columns"}
    unknown = [
        name
        for name, value in params.items()
        if name not in known or not isinstance(value, (*_PLAIN, dict) if name in _BY_TARGET else _PLAIN)
    ]
    if unknown:
        raise InvalidRequest(
            f"the parameter {unknown[0][:80]!r} is not known here, or neither text nor number"
        )
    if isinstance(value, dict):
        value = _of_frame(value) if given[0] == "dataframe_split" else _of_columns(value)
    if not isinstance(value, list):
        raise InvalidRequest(f"{given[0]!r} is no list of records")
    return value, {name: _text(said) for name, said in params.items()}


def _text(value: object) -> str:
    """A parameter as the query has it."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_frame(frame: dict[str, Any]) -> list[Any]:
    """The records of a data frame as pandas splits it; a row of another width stays a list."""
    columns, data = frame.get("columns"), frame.get("data")
    unknown = set(frame) - {"columns", "index", "data"}
    if unknown or not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise InvalidRequest("'dataframe_split' has columns, data (a list of rows), and perhaps index")
    if columns is None:
        return data
    if not isinstance(columns, list) or len(set(map(str, columns))) < len(columns):
        raise InvalidRequest("the columns of 'dataframe_split' are a list of different names")
    names = list(map(str, columns))
    return [dict(zip(names, row, strict=True)) if len(row) == len(names) else row for row in data]


def _of_columns(columns: dict[str, Any]) -> list[Any]:
    """The records of columns by name, all of one length."""
    lists = list(columns.values())
    if not lists or not all(isinstance(each, list) for each in lists) or len(set(map(len, lists))) > 1:
        raise InvalidRequest("columns by name are lists, all of one length")
    # A column of shape (n, 1), as tensors have it, is one of n values.
    flat = [[v[0] if isinstance(v, list) and len(v) == 1 else v for v in each] for each in lists]
    return [dict(zip(columns, values, strict=True)) for values in zip(*flat, strict=True)]


def _rows(records: list[Any], schema: RecordSchema) -> ParsedRows:
    rows = ParsedRows()
    for record in records:
        if isinstance(record, TornRecord):
            rows.refuse(record.carried(is_smiles=schema.is_smiles), TORN)
        else:
            add_value(rows, record, schema)
    return rows


def _header(content: bytes) -> list[Any]:
    head = read_head(io.BytesIO(content[:_HEAD_BYTES]), RecordSchema(()))
    line = next(iter(head.following), "")
    if head.comment is not None:
        line = names_in_comment(head.comment, head.following, _split) or line
    return [dict.fromkeys(_split(line))]


def _split(line: str) -> list[str]:
    """The cells of a header, whatever parts and quotes them."""
    cells = _PARTING.split(line) if _PARTING.search(line) else line.split()
    return [cell.strip().strip("\"'") for cell in cells]


def _rows_of_csv(content: bytes, served: ServedModel, most: int) -> ParsedRows:
    source, parser = open_source("csv", io.BytesIO(content), RecordSchema.of(served.bundle.featurizer))
    raw = source.take(most + 1)
    if len(raw) > most:
        raise TooLarge(f"more than {most} records; send several requests, or a table to /predict")
    return parser.parse(raw)


def invocations_route() -> APIRouter:
    """Describe the route, which the middleware answers before the router."""
    router = APIRouter(tags=["predict"])
    described = answers(Predictions, 400, 404, 406, 408, 413, 415, 422, 429, 503, 504)

    @router.post(
        PATH,
        summary="Predict a table as MLflow's clients send it",
        description="`dataframe_split`, `dataframe_records`, `instances` or `inputs` of JSON, or CSV."
        " The model is the query's, or the one whose columns the records have.",
        openapi_extra={
            "parameters": [
                {
                    "name": "model",
                    "in": "query",
                    "required": False,
                    "description": "Which model the records are for.",
                    "schema": {"type": "string"},
                },
                TIMEOUT_PARAMETER,
                SYNTHETIC_PARAMETER,
            ],
            "requestBody": {
                "required": True,
                "content": content_of(Invocation) | {"text/csv": {"schema": {"type": "string"}}},
            },
        },
        responses=described,
    )
    async def invocations() -> Response:
        raise NotImplementedError

    return router
