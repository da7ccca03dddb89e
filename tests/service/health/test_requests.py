"""What counts as one request to the monitor, by every way into the service."""

import asyncio
import json

import msgspec

from service.api.body.decoding import Limits
from service.api.transport.fast_path import FastPath
from tests.service.api.routes.test_tables import CSV, HTRU2, table
from tests.service.conftest import MAX_BYTES, MAX_ROWS, App
from tests.support import bundles

SAME = {"x-request-id": "always-the-same"}
HEADERS = [(b"content-type", b"application/json"), (b"x-request-id", b"always-the-same")]
ROWS = bundles.candidates(2).tolist()


class Connection:
    """A connection that keeps the statuses of its answers."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def deliver(self, request: object, status: int, headers: object, content: bytes) -> bool:
        """Take an answer."""
        self.statuses.append(status)
        return True


def counted(app: App) -> tuple[int, int]:
    """Rows and requests that the monitor has seen."""
    monitor = app.served_models.get("htru2").monitor
    assert monitor is not None
    window = monitor.health().windows["start"]
    return window.count, window.requests


def test_requests_of_one_id_are_as_many_as_they_are(with_app) -> None:
    """300 JSON requests of two rows, all with one client's id, are 300 pieces of evidence."""

    async def work(app: App) -> None:
        for _ in range(300):
            body = {"model": "htru2", "inputs": ROWS}
            assert (await app.client.post("/predict", json=body, headers=SAME)).status_code == 200
        assert counted(app) == (600, 300)

    with_app(work)


def test_the_fast_path_counts_each_of_its_requests(with_app) -> None:
    """Requests that never become ASGI's are told apart, too."""

    async def work(app: App) -> None:
        fast_path = FastPath(
            app.telemetry,
            app.predictor,
            Limits(rows=MAX_ROWS, bytes=MAX_BYTES, table_bytes=MAX_BYTES),
            deadline_seconds=None,
        )
        connection, body = Connection(), msgspec.json.encode({"model": "htru2", "inputs": ROWS})
        for _ in range(20):
            assert fast_path.begin(connection, HEADERS, body)
            await asyncio.sleep(0)
        while len(connection.statuses) < 20:
            await asyncio.sleep(0.001)
        assert set(connection.statuses) == {200}
        assert counted(app) == (40, 20)

    with_app(work)


def test_tables_and_tensors_count_each_of_their_requests(with_app) -> None:
    """A table of many pieces is one request; another of the same id is another; so are tensors."""

    async def work(app: App) -> None:
        for _ in range(2):
            answer = await app.client.post(
                "/predict", params=HTRU2, content=table(1500), headers=CSV | SAME
            )
            assert answer.status_code == 200
        tensor = {"name": "features", "datatype": "FP32", "shape": [2, 8], "data": ROWS}
        content = json.dumps({"inputs": [tensor]})
        for _ in range(3):
            url = "/v2/models/htru2/infer"
            assert (await app.client.post(url, content=content, headers=SAME)).status_code == 200
        assert counted(app) == (3006, 5)

    with_app(work)
