"""Builds the ASGI application from its routes and layers."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from service.api.access_control import AccessControl, Control
from service.api.auth.keys import KeyStore
from service.api.body.decoding import DEFAULT_SMILES_MODEL, Limits
from service.api.context import context_of
from service.api.cors import Cors
from service.api.middleware import RequestMiddleware
from service.api.openapi import (
    SYNTHETIC_PARAMETER,
    TIMEOUT_PARAMETER,
    answers,
    complete,
    content_of,
)
from service.api.problems import Problem, problem_body, problem_of
from service.api.result_schemas import InputsAnswer, SmilesAnswer
from service.api.routes import admin, explain, metrics, models, molecule_svg, pages
from service.api.routes.health import activations, history, integrity, probes
from service.api.routes.health.stream import PATH as STREAM
from service.api.routes.health.stream import Stream
from service.api.routes.invocations import PATH as INVOCATIONS
from service.api.routes.invocations import InvocationsEndpoint, invocations_route
from service.api.routes.molecule_svg import MoleculeDrawer
from service.api.routes.predict import PredictEndpoint
from service.api.schemas import PredictRequest
from service.api.transport.fast_path import FastPath
from service.api.v2.infer import Infer
from service.api.v2.routes import routes as v2_routes
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.history_recorder import HistoryRecorder
from service.coordination.shared_store import SharedStore
from service.errors import ServiceError
from service.inference.explanation.explainer import Explainer
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry
from service.observability.tracing import Tracing

_TEXT = {"schema": {"type": "string"}}
_TABLE_CONTENT = dict.fromkeys(("text/csv", "text/tab-separated-values", "application/x-ndjson"), _TEXT)
_LIST_CONTENT = dict.fromkeys(
    ("chemical/x-daylight-smiles", "chemical/x-mdl-sdfile", "application/x-arff"), _TEXT
)
_BINARY = {"type": "string", "format": "binary"}
_PARQUET_CONTENT = {
    kind: {"schema": _BINARY}
    for kind in (
        "application/vnd.apache.parquet",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/zip",
    )
}
_TABLES = (
    "JSON, or a table of any length as CSV (with a header), TSV or NDJSON, a list of SMILES, an SD file"
    " or Parquet, for the model of the query's `model`. A form has one such file, compressed by gzip or"
    " not, and may have the query's parameters as fields. Molecules are in the column or field `smiles`,"
    " or in the one that is named like it; all others are carried to the answer, which is of the kind"
    " that `Accept` names, or else of the table's own, and CSV for lists, SD files and"
    " Parquet."
)
_MODEL_PARAMETER = {
    "name": "model",
    "in": "query",
    "required": False,
    "description": "Which model a table is for; a JSON body names it itself.",
    "schema": {"type": "string", "default": DEFAULT_SMILES_MODEL},
}
_APPLICABILITY_PARAMETER = {
    "name": "applicability",
    "in": "query",
    "required": False,
    "description": "With ignore, records that the model cannot judge get numbers, too.",
    "schema": {"type": "string", "enum": ["judge", "ignore"]},
}
_TABLE_PARAMETERS = (
    {
        "name": "smiles_column",
        "in": "query",
        "required": False,
        "description": "The column or field of SMILES, where its name does not tell.",
        "schema": {"type": "string"},
    },
    {
        "name": "result_columns",
        "in": "query",
        "required": False,
        "description": "What becomes of a table's columns that are named as a result's: they are an"
        " error, are left out, or get the prefix input_.",
        "schema": {"type": "string", "enum": ["refuse", "replace", "prefix"]},
    },
)
_VERSION_PARAMETER = {
    "name": "version",
    "in": "query",
    "required": False,
    "description": "The version that has to answer a table; a JSON body names it itself.",
    "schema": {"type": "string"},
}
_DECISION_PARAMETERS = tuple(
    {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": kind}}
    for name, kind, text in (
        ("threshold", "string", "Call from this probability on; or JSON of one by target."),
        ("recall", "string", "Call so that this share of positives is found, on rows left out."),
        ("fpr", "string", "Call so that at most this share of negatives is called, on such rows."),
        ("interval", "boolean", "Add what nine of ten refits of the model would answer."),
    )
)
_FIELDS = (
    _MODEL_PARAMETER,
    _VERSION_PARAMETER,
    _APPLICABILITY_PARAMETER,
    *_TABLE_PARAMETERS,
    *_DECISION_PARAMETERS,
)
_FORM_CONTENT = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": _BINARY} | {field["name"]: field["schema"] for field in _FIELDS},
        }
    }
}


def create_app(
    served_models: ServedModels,
    predictor: Predictor,
    telemetry: Telemetry,
    *,
    max_rows: int,
    max_bytes: int,
    max_stream_bytes: int = 256 * 1024 * 1024,
    spool: Path | None = None,
    control: Control | None = None,
    coordinator: WorkerCoordinator | None = None,
    deadline_seconds: float | None = None,
    key_store: KeyStore | None = None,
    origins: Sequence[str] = (),
    root_path: str = "",
    administration: admin.Administration | None = None,
    recorder: HistoryRecorder | None = None,
    tracing: Tracing | None = None,
) -> ASGIApp:
    """Build the ASGI application over the served models.

    ``spool`` is a folder for large bodies. ``control`` loads and unloads models over the v2 protocol.
    ``coordinator`` reports on all workers, by default on this one alone. ``deadline_seconds`` is the
    deadline of requests that name none. ``key_store`` has the API keys; None for no keys. ``origins``
    are the origins of pages that may send requests (CORS). ``root_path`` is the prefix of a proxy.
    ``tracing`` is None where no request is traced.
    ``administration`` serves ``/admin``. ``recorder`` has the models' histories, by default empty.
    """
    coordinator = WorkerCoordinator(served_models, telemetry) if coordinator is None else coordinator
    app = FastAPI(
        title="SNN serving",
        description="Self-normalizing networks for toxicity and pulsars, and how healthy they are.",
        version="1",
        docs_url=None,  # FastAPI's own pages load scripts from the internet
        redoc_url=None,
        redirect_slashes=False,  # the redirect would lead to whatever Host says
        servers=[{"url": root_path}] if root_path else None,
        openapi_tags=[{"name": tag} for tag in ("predict", "v2", "health", "metrics", "admin")],
    )
    limits = Limits(max_rows, max_bytes, max_stream_bytes)
    app.include_router(_predict_route())
    app.include_router(invocations_route())
    app.include_router(probes.routes(served_models, coordinator))
    checks = None if administration is None else administration.control
    recorder = HistoryRecorder(coordinator, SharedStore()) if recorder is None else recorder
    app.include_router(history.routes(served_models, recorder))
    app.include_router(integrity.routes(served_models, coordinator, checks))
    app.include_router(metrics.routes(served_models, coordinator))
    app.include_router(v2_routes(served_models, coordinator, control, max_rows))
    if administration is not None:
        app.include_router(admin.routes(coordinator, administration, key_store))
    app.include_router(models.routes(served_models, max_rows))
    app.include_router(molecule_svg.routes(MoleculeDrawer()))
    app.include_router(explain.routes(predictor, Explainer()))
    app.include_router(pages.docs_route())
    app.router.routes.extend(pages.page_routes())
    for kind in (ServiceError, HTTPException, RequestValidationError, Problem, Exception):
        app.add_exception_handler(kind, _answer_error)
    complete(app)
    known = [route.path for route in app.routes if isinstance(route, Route) and "{" not in route.path]
    infer = Infer(served_models, predictor, limits, otherwise=app)
    predict = PredictEndpoint(predictor, limits, spool)
    invocations = InvocationsEndpoint(served_models, predictor, limits)
    stream = Stream(lambda: activations.every_model(served_models, coordinator), served_models)
    inner: ASGIApp = infer
    direct: dict[tuple[str, str], ASGIApp] = {
        ("POST", "/predict"): predict,
        ("POST", INVOCATIONS): invocations,
        ("GET", STREAM): stream,
    }
    if key_store is not None:
        inner = AccessControl(infer, key_store)
        direct = {place: AccessControl(app, key_store) for place, app in direct.items()}
    middleware = RequestMiddleware(inner, direct, known, telemetry, deadline_seconds, root_path, tracing)
    middleware.fast_path = FastPath(
        telemetry,
        predictor,
        limits,
        deadline_seconds=deadline_seconds,
        key_store=key_store,
        tracing=tracing,
    )
    return Cors(middleware, origins) if origins else middleware


def _predict_route() -> APIRouter:
    """Describe ``/predict``, which the middleware answers before the router."""
    router = APIRouter(tags=["predict"])

    described = answers(None, 400, 404, 406, 408, 413, 415, 422, 429, 503, 504)
    answer = content_of(SmilesAnswer, InputsAnswer)

    @router.post(
        "/predict",
        summary="Predict molecules or pulsar candidates",
        description=_TABLES,
        openapi_extra={
            "parameters": [
                *_FIELDS,
                TIMEOUT_PARAMETER,
                SYNTHETIC_PARAMETER,
            ],
            "requestBody": {
                "required": True,
                "content": content_of(PredictRequest)
                | _TABLE_CONTENT
                | _LIST_CONTENT
                | _PARQUET_CONTENT
                | _FORM_CONTENT,
            },
        },
        responses=described | {200: {"content": answer | _TABLE_CONTENT}},
    )
    async def predict() -> Response:
        raise NotImplementedError

    return router


async def _answer_error(request: Request, error: Exception) -> Response:
    """Answer an error of the router, or of a route that it calls, in the service's shape."""
    problem = problem_of(error)
    content = problem_body(problem, context_of(request.scope).request_id.decode())
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return Response(content, problem.status, headers, media_type="application/json")
