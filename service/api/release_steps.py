"""What routes that take a step of a release share: whose it is, what it asks for, and its warning."""

import asyncio
from collections.abc import Callable

import msgspec
from starlette.requests import Request

from models.errors import LogUnwritable
from models.registry.releases import Releases
from models.registry.serving_state import ServingState
from service.api.access_control import administrator
from service.api.body.decoding import decode
from service.api.body.reading import read_body
from service.api.schemas import Change
from service.observability.logs import get_logger

#: What the release log says of a step that was asked for without a reason.
WHY = "asked for over HTTP"
_MAX_BYTES = 65_536
_decoder = msgspec.json.Decoder(Change)

_log = get_logger()


async def posted(request: Request) -> tuple[str, bytes]:
    """Return the key's name for the release log, and the body; the key is checked first."""
    by = f"key:{administrator(request).name}"
    return by, await read_body(request.scope, request.receive, _MAX_BYTES)


async def asked(request: Request) -> tuple[str, Change]:
    """Return the key's name as ``posted``, and the change, of which a body may say nothing."""
    by, content = await posted(request)
    return by, decode(content, _decoder) if content else Change()


async def taken(
    releases: Releases, model: str, step: Callable[[], ServingState]
) -> tuple[ServingState, str | None]:
    """Take a step in a thread; return what serves then, and a warning if it could not be logged."""

    def work() -> tuple[ServingState, str | None]:
        try:
            return step(), None
        except LogUnwritable as error:
            _log.error("release log unwritable", model=model, reason=str(error))
            return releases.serving(model), str(error)

    return await asyncio.to_thread(work)
