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

from models.errors import BundleRefused, ModelError, RepositoryError, UnknownModel, UnknownVersion
from models.registry.releases import Releases
from service.api.access_control import administrator
from service.api.auth.keys import KeyStore
from service.api.body.decoding import decode
from service.api.body.reading import read_body
from service.api.openapi import answers, json_response, request_body
from service.api.problems import Problem
from service.api.schemas import Change
from service.coordination.coordinator import WorkerCoordinator

T = TypeVar("T")

_MAX_BYTES = 65_536
_READING = answers(errors={404: "No such model or version.", 409: "It cannot be done as things are."})
_CHANGING = _READING | answers(
    errors={
        400: "Not the JSON object that is asked for.",
        403: "It takes an API key of scope 'admin'.",
        413: "The body is too large.",
    }
)
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


_decoder = msgspec.json.Decoder(Change)


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
        return json_response({"models": found})

    @router.get(
        "/models/{model}/versions/{version}/gate",
        summary="What the promotion gate found of a version",
        responses=_READING,
    )
    async def gate(model: _Name, version: _Version) -> Response:
        report = await _tried(lambda: releases.gate(model, version))
        if report is None:
            raise Problem(404, f"version {version} of {model!r} went through no gate")
        return json_response(report)

    @router.get(
        "/models/{model}/compare",
        summary="Two versions' figures side by side",
        responses=_READING,
    )
    async def compare(
        model: _Name,
        first: Annotated[int, Query(ge=1, le=10**9)],
        second: Annotated[int, Query(ge=1, le=10**9)],
    ) -> Response:
        return json_response(await _tried(lambda: releases.compare(model, first, second)))

    @router.get("/log", summary="The release log: who had what served, when and why; latest last")
    async def log(
        model: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        entries = await _tried(lambda: releases.log.entries(model, limit))
        return json_response({"entries": [asdict(entry) for entry in entries]})

    @router.get("/keys", summary="The API keys: names, scopes, expiry and rates; never a key or hash")
    async def keys() -> Response:
        if key_store is None:
            return json_response({"keys": None, "error": None})
        hidden = {"id", "sha256"}
        listed = [
            {name: value for name, value in msgspec.structs.asdict(key).items() if name not in hidden}
            for key in key_store.keys
        ]
        return json_response({"keys": listed, "error": key_store.trouble})

    def step(path: str, summary: str) -> Callable[[Any], Any]:
        return router.post(
            f"/models/{{model}}/{path}",
            summary=summary,
            responses=_CHANGING,
            openapi_extra=request_body(Change, required=False),
        )

    @step("promote", "Make a version the champion")
    async def promote(model: _Name, request: Request) -> Response:
        by, asked = await _asked(request)
        version = asked.version
        if version is None:
            raise Problem(400, 'which version? The body should read {"version": 2, "why": "..."}')
        why = asked.why or "asked for over HTTP"
        serving = await _tried(lambda: releases.promote(model, version, by, why))
        return json_response({"model": model, "champion": serving.champion})

    @step("rollback", "Have the champion's predecessor served again")
    async def roll_back(model: _Name, request: Request) -> Response:
        by, asked = await _asked(request)
        why = asked.why or "asked for over HTTP"
        serving = await _tried(lambda: releases.roll_back(model, by, why, asked.version))
        return json_response({"model": model, "champion": serving.champion})

    @step("load", "Read a model's promoted version again, now")
    async def load(model: _Name, request: Request) -> Response:
        by, _ = await _asked(request)
        await control.load(model, by)
        return json_response({"model": model, "loaded": True})

    @step("unload", "Stop serving a model until it is loaded")
    async def unload(model: _Name, request: Request) -> Response:
        by, _ = await _asked(request)
        await control.unload(model, by)
        return json_response({"model": model, "loaded": False})

    return router


async def _asked(request: Request) -> tuple[str, Change]:
    """Who asks, and for what; the key first."""
    by = f"key:{administrator(request).name}"
    content = await read_body(request.scope, request.receive, _MAX_BYTES)
    return by, decode(content, _decoder, wrong_shape=400) if content else Change()


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
