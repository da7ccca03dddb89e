"""Builds the ASGI application from its routes and layers."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from service.api.access_control import AccessControl, Control
from service.api.auth.keys import KeyStore
from service.api.body.decoding import Limits
from service.api.context import context_of
from service.api.cors import Cors
from service.api.middleware import RequestMiddleware
from service.api.openapi import complete
from service.api.problems import Problem, problem_body, problem_of
from service.api.routes import admin, explain, metrics, models, molecule_svg, pages, trials
from service.api.routes.health import activations, history, integrity, probes
from service.api.routes.health.stream import PATH as STREAM
from service.api.routes.health.stream import Stream
from service.api.routes.invocations import PATH as INVOCATIONS
from service.api.routes.invocations import InvocationsEndpoint, invocations_route
from service.api.routes.molecule_svg import MoleculeDrawer
from service.api.routes.predict import PredictEndpoint
from service.api.specification.predict import predict_route
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
    app.include_router(predict_route())
    app.include_router(invocations_route())
    app.include_router(probes.routes(served_models, coordinator))
    checks = None if administration is None else administration.control
    recorder = HistoryRecorder(coordinator, SharedStore()) if recorder is None else recorder
    app.include_router(history.routes(served_models, recorder))
    app.include_router(integrity.routes(served_models, coordinator, checks))
    app.include_router(metrics.routes(served_models, coordinator))
    app.include_router(trials.routes(served_models, coordinator))
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


async def _answer_error(request: Request, error: Exception) -> Response:
    """Answer an error of the router, or of a route that it calls, in the service's shape."""
    problem = problem_of(error)
    content = problem_body(problem, context_of(request.scope).request_id.decode())
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return Response(content, problem.status, headers, media_type="application/json")
