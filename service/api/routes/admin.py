"""Administration over HTTP: the models' versions, promoting and rolling back, the release log, the keys.

Reading takes a key of scope ``metrics`` or ``admin`` where the service has keys. Changing takes one
of scope ``admin``, and a service without keys refuses it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from models.errors import (
    BundleRefused,
    LogUnwritable,
    ModelError,
    RepositoryError,
    UnknownModel,
    UnknownVersion,
)
from models.registry.releases import Releases
from models.registry.store import ServingState
from service.api.access_control import administrator
from service.api.auth.keys import KeyStore
from service.api.body.reading import read_bytes
from service.api.problems import Problem
from service.api.schemas import ErrorAnswer
from service.coordination.coordinator import WorkerCoordinator
from service.observability.logs import get_logger

T = TypeVar("T")

_log = get_logger()

_MAX_BYTES = 65_536
_READING: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "No such model or version."},
    409: {"model": ErrorAnswer, "description": "It cannot be done as things are."},
}
_CHANGING = _READING | {
    400: {"model": ErrorAnswer, "description": "Not the JSON object that is asked for."},
    403: {"model": ErrorAnswer, "description": "It takes an API key of scope 'admin'."},
    413: {"model": ErrorAnswer, "description": "The body is too large."},
}
_Name = Annotated[str, Path(max_length=64)]
_Version = Annotated[int, Path(ge=1, le=10**9)]


class Control(Protocol):
    """Who can load, unload and check models."""

    async def load(self, name: str, by: str = ...) -> None:
        """Serve what is promoted now; raises ``ModelNotFound`` or ``ModelNotReady``."""

    async def unload(self, name: str, by: str = ...) -> None:
        """Stop serving a model until it is loaded; raises ``ModelNotFound``."""

    async def examine(self, name: str) -> None:
        """Check a model in all workers; raises ``ModelNotFound`` or ``ModelNotReady``."""


class Administration(NamedTuple):
    """Where the releases are made, and who loads and unloads."""

    releases: Releases
    control: Control


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=10**9)] | None = None
    why: Annotated[str, msgspec.Meta(max_length=1000)] = ""


def routes(
    coordinator: WorkerCoordinator, administration: Administration, key_store: KeyStore | None
) -> APIRouter:
    """The routes under ``/admin``."""
    releases, control = administration
    router = APIRouter(prefix="/admin", tags=["admin"])

    @router.get("/models", summary="Every promoted model: versions, champion, what is served")
    async def models() -> Response:
        names = await _tried(releases.repository.models)
        live = coordinator.whole().models
        found = {}
        for name in names:
            document = await _tried(partial(_described, releases, name))
            serving = live.get(name)
            document["serving"] = None if serving is None else serving.version
            document["error"] = document.get("error") or (None if serving is None else serving.error)
            found[name] = document
        return _json({"models": found})

    @router.get(
        "/models/{model}/versions/{version}/gate",
        summary="What the promotion gate found of a version",
        responses=_READING,
    )
    async def gate(model: _Name, version: _Version) -> Response:
        report = await _tried(lambda: releases.gate(model, version))
        if report is None:
            raise Problem(404, f"version {version} of {model!r} went through no gate")
        return _json(report)

    @router.get(
        "/models/{model}/compare", summary="Two versions' figures side by side", responses=_READING
    )
    async def compare(
        model: _Name,
        first: Annotated[int, Query(ge=1, le=10**9)],
        second: Annotated[int, Query(ge=1, le=10**9)],
    ) -> Response:
        return _json(await _tried(lambda: releases.compare(model, first, second)))

    @router.get("/log", summary="The release log: who had what served, when and why; latest last")
    async def log(
        model: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        entries = await _tried(lambda: releases.log.entries(model, limit))
        return _json({"entries": [asdict(entry) for entry in entries]})

    @router.get("/keys", summary="The API keys: names, scopes, expiry and rates; never a key or hash")
    async def keys() -> Response:
        if key_store is None:
            return _json({"keys": None, "error": None})
        hidden = {"id", "sha256"}
        listed = [
            {name: value for name, value in msgspec.structs.asdict(key).items() if name not in hidden}
            for key in key_store.keys
        ]
        return _json({"keys": listed, "error": key_store.trouble})

    def step(path: str, summary: str) -> Callable[[Any], Any]:
        return router.post(
            f"/models/{{model}}/{path}", summary=summary, responses=_CHANGING, openapi_extra=_BODY
        )

    @step("promote", "Make a version the champion")
    async def promote(model: _Name, request: Request) -> Response:
        by, asked = await _asked(request)
        version = asked.version
        if version is None:
            raise Problem(400, 'which version? The body should read {"version": 2, "why": "..."}')
        why = asked.why or "asked for over HTTP"
        return await _changed(releases, model, lambda: releases.promote(model, version, by, why))

    @step("rollback", "Have the champion's predecessor served again")
    async def roll_back(model: _Name, request: Request) -> Response:
        by, asked = await _asked(request)
        why = asked.why or "asked for over HTTP"
        return await _changed(releases, model, lambda: releases.roll_back(model, by, why, asked.version))

    @step("load", "Read a model's promoted version again, now")
    async def load(model: _Name, request: Request) -> Response:
        by, _ = await _asked(request)
        await control.load(model, by)
        return _json({"model": model, "loaded": True})

    @step("unload", "Stop serving a model until it is loaded")
    async def unload(model: _Name, request: Request) -> Response:
        by, _ = await _asked(request)
        await control.unload(model, by)
        return _json({"model": model, "loaded": False})

    return router


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"version": {"type": "integer"}, "why": {"type": "string"}},
                }
            }
        },
    }
}


async def _asked(request: Request) -> tuple[str, _Step]:
    """Who asks, and for what; the key first."""
    by = f"key:{administrator(request).name}"
    content = await read_bytes(request.scope, request.receive, _MAX_BYTES)
    if not content:
        return by, _Step()
    try:
        return by, msgspec.json.decode(content, type=_Step)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is not what is asked for: {error}") from None


async def _changed(releases: Releases, model: str, step: Callable[[], ServingState]) -> Response:
    """Take a step and answer with the champion, with a warning where it could not be logged."""

    def work() -> dict[str, object]:
        try:
            return {"model": model, "champion": step().champion}
        except LogUnwritable as error:
            _log.error("release log unwritable", model=model, reason=str(error))
            return {"model": model, "champion": releases.serving(model).champion, "warning": str(error)}

    return _json(await _tried(work))


async def _tried(work: Callable[[], T]) -> T:
    """Do what reads or writes files in a thread, and translate what may be wrong."""
    try:
        return await asyncio.to_thread(work)
    except (UnknownModel, UnknownVersion) as error:
        raise Problem(404, str(error)) from error
    except (BundleRefused, RepositoryError) as error:
        raise Problem(409, str(error)) from error
    except ModelError as error:
        raise Problem(500, str(error)) from error
    except OSError as error:
        raise Problem(500, f"a file cannot be read or written: {error.strerror}") from error


def _described(releases: Releases, name: str) -> dict[str, Any]:
    """A model's document; what is wrong with one must not hide the others."""
    try:
        return dict(releases.describe(name))
    except ModelError as error:
        return {"model": name, "error": str(error), "versions": []}


def _json(document: object) -> Response:
    content = msgspec.json.encode(document)
    return Response(content, headers={"cache-control": "no-store"}, media_type="application/json")
