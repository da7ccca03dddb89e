"""CORS: which origins' pages may send requests from a browser."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from service.api.context import new_request_id
from service.api.error_codes import Code
from service.api.problems import Problem, problem_body

_REFUSED = "pages may not send this here: {}; SNN_CORS_ORIGINS lists the origins that may"


class Cors(CORSMiddleware):
    """Starlette's middleware, whose refusals have the shape of all errors."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        """Let pages of these origins read answers."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=[
                "authorization",
                "content-type",
                "x-api-key",
                "x-request-id",
                "x-request-timeout-ms",
            ],
            expose_headers=["retry-after", "x-request-id"],
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer what a browser asks before it sends a request."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        request_id = new_request_id().decode()
        reason = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        problem = Problem(400, _REFUSED.format(reason), code=Code.ORIGIN_REFUSED)
        headers = {
            name: value
            for name, value in response.headers.items()
            if name.startswith(("access-control-", "vary"))
        }
        headers["x-request-id"] = request_id
        return Response(problem_body(problem, request_id), 400, headers, media_type="application/json")
