"""``POST /molecule.svg``: a picture of a molecule.

By POST, since an address ends up in the logs of every proxy on the way, and a SMILES belongs in none.
"""

import msgspec
from fastapi import APIRouter, Request, Response

from models.features.standardise import MAX_CHARACTERS
from service.api.body import read_json
from service.api.documents import ErrorAnswer
from service.api.headers import page_headers
from service.api.problems import Problem
from service.drawing import MAX_HEAVY_ATOMS, Drawing
from service.errors import InvalidRequest

PATH = "/molecule.svg"

_MOST_BYTES = 8 * MAX_CHARACTERS  # with every character escaped, and room to spare

#: RDKit writes colours as style attributes; nothing else may be in there.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

_DESCRIPTION = (
    f"A molecule of at most {MAX_HEAVY_ATOMS} heavy atoms as it was written, on a transparent ground;"
    " `dark` draws it for a dark page."
)
_SCHEMA = {
    "type": "object",
    "required": ["smiles"],
    "properties": {
        "smiles": {"type": "string", "maxLength": MAX_CHARACTERS, "examples": ["c1ccccc1O"]},
        "dark": {"type": "boolean", "default": False},
    },
}
_ERRORS = {
    400: "The body is not JSON.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "Not application/json.",
    422: "Not a molecule that can be drawn; the sentence says why.",
    429: "Too many drawings are waiting.",
    503: "This machine lacks libraries that drawing needs; the sentence says which.",
}


class _Body(msgspec.Struct):
    smiles: str
    dark: bool = False


_decoder = msgspec.json.Decoder(_Body)


def routes(drawing: Drawing) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["predict"])

    @router.post(
        PATH,
        summary="Draw a molecule",
        description=_DESCRIPTION,
        response_class=Response,
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}
        },
        responses={
            200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}},
            **{status: {"model": ErrorAnswer, "description": text} for status, text in _ERRORS.items()},
        },
    )
    async def molecule(request: Request) -> Response:
        body = _parse(await read_json(request.scope, request.receive, _MOST_BYTES))
        svg = await drawing.draw(body.smiles, dark=body.dark)
        headers = {**page_headers(_POLICY), "cache-control": "no-store"}
        return Response(svg, headers=headers, media_type="image/svg+xml")

    return router


def _parse(content: bytes) -> _Body:
    try:
        return _decoder.decode(content)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            f'send {{"smiles": "CCO"}}; the request has the wrong shape: {error}'
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise Problem(400, "the body is not usable: its JSON is nested too deeply") from error
