"""What a browser is shown: the dashboard with its files, and the API's own page."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from service.api.routes.security_headers import page_headers

#: The dashboard loads what the service itself has, draws molecules from memory, and nothing else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
)

#: FastAPI writes the page's one script into it.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'"
)

#: A file is asked for anew each time, and sent anew only if it has changed.
_CACHING = "no-cache"

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_WORTH_PACKING = 1024


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes | None
    kind: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "_File":
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        packed = gzip.compress(content, 6, mtime=0) if len(content) > _WORTH_PACKING else None
        return cls(content, packed, _TYPES[name.rpartition(".")[2]], tag)


def routes() -> APIRouter:
    """The pages. Their files are read once, so that a path can name nothing else."""
    router = APIRouter()
    held = {name: _File.of(name, content) for name, content in _read(files("service") / "web")}

    def answer(request: Request, name: str) -> Response:
        file = held.get(name)
        if file is None:
            raise HTTPException(404)
        headers = {**page_headers(_POLICY), "cache-control": _CACHING, "etag": file.tag}
        headers["vary"] = "accept-encoding"
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = file.content
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content = file.packed
            headers["content-encoding"] = "gzip"
        return Response(content, headers=headers, media_type=file.kind)

    @router.get("/", include_in_schema=False)
    async def dashboard(request: Request) -> Response:
        return answer(request, "index.html")

    @router.get("/web/{path:path}", include_in_schema=False)
    async def file(request: Request, path: str) -> Response:
        return answer(request, path)

    @router.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return answer(request, "icon.svg")

    @router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="SNN serving",
            swagger_js_url="/swagger/swagger-ui-bundle.js",
            swagger_css_url="/swagger/swagger-ui.css",
            swagger_favicon_url="/swagger/favicon-32x32.png",
        )
        page.headers.update(page_headers(_DOCS_POLICY))
        return page

    return router


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _TYPES:
            yield prefix + entry.name, entry.read_bytes()
