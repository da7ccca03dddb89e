"""The pages for browsers: the dashboard with its files, and Swagger UI for the API."""

import mimetypes
import os

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.api.routes.security_headers import page_headers

#: The dashboard loads the service's own files, draws molecules from memory, and nothing else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
)
#: A browser asks for a file each time, and receives it only if it has changed.
_HEADERS = page_headers(_POLICY) | {"cache-control": "no-cache"}

#: FastAPI writes the page's one script into the page.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'"
)

_NAMES = {"/": "index.html", "/favicon.ico": "icon.svg"}
#: Smaller files are not compressed.
_COMPRESSED_BYTES, _COMPRESSION_LEVEL = 1024, 6

mimetypes.add_type("text/javascript", ".js")  # Python 3.11 has the old name


class _Dashboard(StaticFiles):
    """The dashboard's files with the headers of its content security policy."""

    def get_path(self, scope: Scope) -> str:
        """Return a file's path inside the folder."""
        return _NAMES.get(scope["path"]) or super().get_path(scope)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file, or 304 where the client has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


def page_routes() -> list[BaseRoute]:
    """Return the routes of the dashboard and of Swagger UI's files."""
    dashboard = GZipMiddleware(
        _Dashboard(packages=[("service", "web")]), _COMPRESSED_BYTES, _COMPRESSION_LEVEL
    )
    return [
        *(Route(path, dashboard, include_in_schema=False) for path in _NAMES),
        Mount("/web", dashboard),
        Mount("/swagger", StaticFiles(packages=[("fastapi_swagger", "resources")])),
    ]


def docs_route() -> APIRouter:
    """Return the route of the API's documentation."""
    router = APIRouter()

    @router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            # Relative to the page, so that they hold behind a proxy's prefix.
            openapi_url="openapi.json",
            title="SNN serving",
            swagger_js_url="swagger/swagger-ui-bundle.js",
            swagger_css_url="swagger/swagger-ui.css",
            swagger_favicon_url="swagger/favicon-32x32.png",
        )
        page.headers.update(page_headers(_DOCS_POLICY))
        return page

    return router
