"""The index of models, and loading and unloading them.

Source: Triton's model repository extension. Loading and unloading change every client's answers: they
need an API key of scope ``admin`` where the service has keys, and are refused where it has none, unless
``SNN_REPOSITORY_CONTROL`` opens them to everybody.
"""

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.access_control import Control
from service.api.body.decoding import decode
from service.api.body.reading import read_body
from service.api.context import context_of
from service.api.error_codes import Code
from service.api.openapi import answers, json_response, request_body
from service.api.problems import Problem
from service.api.specification.releases import RepositoryDone
from service.api.v2 import schemas
from service.coordination.aggregate import ModelWhole
from service.coordination.coordinator import WorkerCoordinator

_MAX_BYTES = 65_536
_BODY = request_body(schemas.RepositoryRequest, required=False)
_CHANGES = answers(RepositoryDone, 400, 403, 404, 413, 503)

_decoder = msgspec.json.Decoder(schemas.RepositoryRequest)


def routes(coordinator: WorkerCoordinator, control: Control | None) -> APIRouter:
    """Return the repository routes; without a ``control`` loading and unloading are refused."""
    router = APIRouter(tags=["v2"])

    @router.post(
        "/v2/repository/index",
        summary="Every promoted model, and whether it is served",
        responses=answers(list[schemas.IndexEntry], 400, 413),
        openapi_extra=_BODY,
    )
    async def index(request: Request) -> Response:
        only_ready = (await _read(request)).ready
        entries = [_entry(name, model) for name, model in coordinator.whole().models.items()]
        return json_response([each for each in entries if each.state == "READY" or not only_ready])

    @router.post(
        "/v2/repository/models/{model}/load",
        summary="Read a model's promoted version again, now",
        responses=_CHANGES,
        openapi_extra=_BODY,
    )
    async def load(model: str, request: Request) -> Response:
        allowed = _allowed(control)
        for parameter in (await _read(request)).parameters or {}:
            raise Problem(
                400,
                f"parameter {parameter[:40]!r}: a model is loaded as it was published, or not at all",
            )
        await allowed.load(model, _asker(request))
        return _done()

    @router.post(
        "/v2/repository/models/{model}/unload",
        summary="Stop serving a model until it is loaded",
        responses=_CHANGES,
        openapi_extra=_BODY,
    )
    async def unload(model: str, request: Request) -> Response:
        allowed = _allowed(control)
        await _read(request)
        await allowed.unload(model, _asker(request))
        return _done()

    return router


async def _read(request: Request) -> schemas.RepositoryRequest:
    """Read a body that may be empty and of any content type, as Triton's client sends it."""
    content = await read_body(request.scope, request.receive, _MAX_BYTES)
    return decode(content, _decoder, wrong_shape=400) if content else schemas.RepositoryRequest()


def _allowed(control: Control | None) -> Control:
    if control is None:
        raise Problem(
            403,
            "models are not loaded and unloaded by request here; start the service with API keys"
            " (SNN_API_KEYS_FILE), or with SNN_REPOSITORY_CONTROL=true to let everybody do it",
            code=Code.CLOSED_TO_ALL,
        )
    return control


def _asker(request: Request) -> str:
    key = context_of(request.scope).key
    return "anybody" if key is None else f"key:{key.name}"


def _entry(name: str, model: ModelWhole) -> schemas.IndexEntry:
    return schemas.IndexEntry(
        name=name,
        version="" if model.version is None else str(model.version),
        state="READY" if model.ready else "UNAVAILABLE",
        reason=model.error or "",
    )


def _done() -> Response:
    return Response(b"{}", media_type="application/json")
