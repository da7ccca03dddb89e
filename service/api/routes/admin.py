"""Administration over HTTP: model versions, promotion, rollback, the release log, the API keys.

Reading needs a key of scope ``metrics`` or ``admin`` where the service has keys. A change needs one of
scope ``admin``, and a service without keys refuses it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from models.errors import LogUnwritable, ModelError
from models.registry.releases import Releases
from models.registry.serving_state import ServingState
from service.api.access_control import Control, valid_keys
from service.api.auth.keys import SCOPES, KeyStore
from service.api.error_codes import Code
from service.api.openapi import answers, json_response, request_body
from service.api.problems import Problem
from service.api.release_steps import WHY, asked, taken
from service.api.routes import trials
from service.api.schemas import Change
from service.api.specification import releases as described
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ModelNotFound

_Name = Annotated[str, Path(max_length=64)]
_Version = Annotated[int, Path(ge=1, le=10**9)]


class Administration(NamedTuple):
    """The releases, and the control that loads and unloads models."""

    releases: Releases
    control: Control


def routes(  # noqa: PLR0915 - each route is a few lines
    coordinator: WorkerCoordinator, administration: Administration, key_store: KeyStore | None
) -> APIRouter:
    """Return the routes under ``/admin``; ``key_store`` is None without API keys."""
    releases, control = administration
    router = APIRouter(prefix="/admin", tags=["admin"])
    router.include_router(trials.steps(releases))

    @router.get(
        "/models",
        summary="Every promoted model: versions, champion, what is served",
        responses=answers(described.ReleasesAnswer),
    )
    async def models() -> Response:
        names = await asyncio.to_thread(releases.repository.models)
        live = coordinator.whole().models
        found = {}
        for name in names:
            document = await asyncio.to_thread(_described, releases, name)
            serving = live.get(name)
            document["serving"] = None if serving is None else serving.version
            document["error"] = document.get("error") or (None if serving is None else serving.error)
            found[name] = document
        return json_response({"models": found})

    @router.get(
        "/models/{model}/versions/{version}/gate",
        summary="What the promotion gate found of a version",
        responses=answers(described.GateReport, 404, 409),
    )
    async def gate(model: _Name, version: _Version) -> Response:
        report = await asyncio.to_thread(releases.gate, model, version)
        if report is None:
            raise Problem(
                404, f"version {version} of {model!r} went through no gate", code=Code.NOT_FOUND
            )
        return json_response(report)

    @router.get(
        "/models/{model}/compare",
        summary="Two versions' figures side by side",
        responses=answers(described.VersionComparison, 404, 409),
    )
    async def compare(
        model: _Name,
        first: Annotated[int, Query(ge=1, le=10**9)],
        second: Annotated[int, Query(ge=1, le=10**9)],
    ) -> Response:
        return json_response(await asyncio.to_thread(releases.compare, model, first, second))

    @router.get(
        "/log",
        summary="The release log: who had what served, when and why; latest last",
        responses=answers(described.ReleaseLogAnswer),
    )
    async def log(
        model: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        entries = await asyncio.to_thread(releases.log.entries, model, limit)
        return json_response({"entries": [asdict(entry) for entry in entries]})

    @router.get(
        "/keys",
        summary="The API keys: names, scopes, expiry and rates; never a key or hash",
        responses=answers(described.KeysAnswer),
    )
    async def keys() -> Response:
        if key_store is None:
            return json_response({"keys": None, "error": None})
        hidden = {"id", "sha256"}
        listed = [
            {name: value for name, value in msgspec.structs.asdict(key).items() if name not in hidden}
            for key in key_store.keys
        ]
        return json_response({"keys": listed, "error": key_store.trouble})

    @router.get(
        "/key",
        summary="Whether the service takes keys, and what those of this request may do",
        responses=answers(described.OwnKeys),
    )
    async def key(request: Request) -> Response:
        if key_store is None:
            return json_response(described.OwnKeys(needed=False, keys=[]))
        own = [
            described.OwnKey(found.name, [scope for scope in SCOPES if found.may(scope)])
            for found in valid_keys(key_store, request.scope)
        ]
        return json_response(described.OwnKeys(needed=True, keys=own))

    def step(path: str, summary: str, answer: type = described.Promoted) -> Callable[[Any], Any]:
        return router.post(
            f"/models/{{model}}/{path}",
            summary=summary,
            responses=answers(answer, 400, 403, 404, 409, 413, 422),
            openapi_extra=request_body(Change, required=False),
        )

    @step("promote", "Make a version the champion")
    async def promote(model: _Name, request: Request) -> Response:
        by, change = await asked(request)
        version = change.version
        if version is None:
            raise Problem(400, 'which version? The body should read {"version": 2, "why": "..."}')
        why = change.why or WHY
        return await _changed(releases, model, lambda: releases.promote(model, version, by, why))

    @step("rollback", "Have the champion's predecessor served again")
    async def roll_back(model: _Name, request: Request) -> Response:
        by, change = await asked(request)
        why = change.why or WHY
        return await _changed(
            releases, model, lambda: releases.roll_back(model, by, why, change.version)
        )

    @step("load", "Read a model's promoted version again, now", described.Loaded)
    async def load(model: _Name, request: Request) -> Response:
        by, _ = await asked(request)
        await control.load(model, by)
        return json_response({"model": model, "loaded": True})

    @step("unload", "Stop serving a model until it is loaded", described.Loaded)
    async def unload(model: _Name, request: Request) -> Response:
        by, _ = await asked(request)
        await control.unload(model, by)
        return json_response({"model": model, "loaded": False})

    @step(
        "retire", "Serve a model no longer, until a version of it is promoted again", described.Retired
    )
    async def retire(model: _Name, request: Request) -> Response:
        by, change = await asked(request)
        live = coordinator.whole().models.get(model)
        version = None if live is None else live.version
        why = change.why or WHY
        document = await asyncio.to_thread(_retired, releases, model, by, why, version)
        with suppress(ModelNotFound):  # a look at the repository may have forgotten it already
            await control.retire(model)
        return json_response(document)

    return router


async def _changed(releases: Releases, model: str, step: Callable[[], ServingState]) -> Response:
    """Take a step and answer with the champion, with a warning where it could not be logged."""
    serving, warning = await taken(releases, model, step)
    document: dict[str, object] = {"model": model, "champion": serving.champion}
    return json_response(document if warning is None else document | {"warning": warning})


def _retired(releases: Releases, model: str, by: str, why: str, served: int | None) -> dict[str, object]:
    """Retire a model in the repository; return the answer, with a warning as for other changes."""
    try:
        releases.retire(model, by, why, served)
    except LogUnwritable as error:
        return {"model": model, "retired": True, "warning": str(error)}
    return {"model": model, "retired": True}


def _described(releases: Releases, name: str) -> dict[str, Any]:
    """Return a model's document; an error of one model must not hide the others."""
    try:
        return dict(releases.describe(name))
    except ModelError as error:
        return {"model": name, "error": str(error), "versions": []}
