"""The outermost layer against servers whose clients are gone."""

import asyncio

import pytest

from service.api.middleware import RequestMiddleware
from service.api.problems import send_json
from service.observability.counters import Telemetry


async def _answer(scope: dict, receive: object, send) -> None:
    await send_json(send, 200, b"{}")


async def _fail(scope: dict, receive: object, send: object) -> None:
    raise ValueError


@pytest.mark.parametrize("app", [_answer, _fail])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed"), 499),
        (BrokenPipeError(), 499),
    ],
)
def test_a_client_that_is_gone_is_no_failure(app, error: Exception, status: int) -> None:
    """What a server raises for an answer that nobody takes is counted as the client's leaving."""
    assert _statuses(app, error) == {("/x", status): 1}


def test_a_misuse_of_the_server_is_a_failure() -> None:
    """Any other error of sending is the service's own, and is not taken for a disconnect."""
    with pytest.raises(RuntimeError, match="longer"):
        _statuses(_fail, RuntimeError("Response content longer than Content-Length"))


def _statuses(app, error: Exception) -> dict:
    """How one request is counted if sending its answer raises."""
    telemetry = Telemetry()
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}

    async def send(message: dict) -> None:
        raise error

    async def receive() -> dict:
        raise NotImplementedError

    asyncio.run(RequestMiddleware(app, {}, ["/x"], telemetry)(scope, receive, send))
    return dict(telemetry.requests)
