"""Deadlines: what a request says of its patience, and what becomes of rows that waited too long."""

import asyncio
import time

import pytest

from tests.service.conftest import App
from tests.support import bundles


def slow(app: App, seconds: float) -> list[int]:
    """Let every run of the model take so long, in its thread; return the list of their rows."""
    runs: list[int] = []
    batcher = app.served_models.get("htru2").batcher
    compute = batcher._compute

    def sluggish(rows, parts):
        runs.append(len(rows))
        time.sleep(seconds)
        return compute(rows, parts)

    batcher._compute = sluggish
    batcher._latency._per_row = [1.0] * 40  # too long for the event loop
    return runs


async def post(app: App, rows: int, timeout: str | None = None):
    """Post so many candidates with a timeout."""
    headers = {} if timeout is None else {"x-request-timeout-ms": timeout}
    body = {"model": "htru2", "inputs": bundles.candidates(rows).tolist()}
    return await app.client.post("/predict", json=body, headers=headers)


def test_rows_that_waited_too_long_are_not_computed(with_app) -> None:
    """504 for who said so, an answer for the others, and no run for the rows that were dropped."""

    async def work(app: App) -> None:
        runs = slow(app, 0.2)
        first = asyncio.create_task(post(app, 1))
        await asyncio.sleep(0.05)
        batcher = app.served_models.get("htru2").batcher
        batcher._latency._per_row = [1e-6] * 40  # what waits is expected to be quick
        late, patient = await asyncio.gather(post(app, 3, "50"), post(app, 5, "60000"))
        assert (await first).status_code == patient.status_code == 200
        assert late.status_code == 504
        assert "deadline passed" in late.json()["error"]
        assert runs == [1, 5]

    with_app(work)


def test_who_would_wait_longer_than_it_may_is_turned_away_at_once(with_app) -> None:
    """429 with the measured wait, before anything is computed for it."""

    async def work(app: App) -> None:
        slow(app, 0.8)
        first = [asyncio.create_task(post(app, 1)) for _ in range(2)]
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(post(app, 200))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        answer = await post(app, 1, "100")
        assert time.monotonic() - started < 0.6
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert {one.status_code for one in await asyncio.gather(*first, waiting)} == {200}

    with_app(work)


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "1e3", "9" * 40])
def test_a_timeout_that_is_none_is_refused(with_app, value: str) -> None:
    """400 that names the header; 0 is a timeout, if a short one."""

    async def work(app: App) -> None:
        answer = await post(app, 1, value)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("X-Request-Timeout-Ms ")

    with_app(work)


def test_the_header_is_in_the_openapi_document(with_app) -> None:
    """Every route that predicts describes it."""

    async def work(app: App) -> None:
        paths = (await app.client.get("/openapi.json")).json()["paths"]
        for path in ("/predict", "/v2/models/{model}/infer"):
            names = [parameter["name"] for parameter in paths[path]["post"]["parameters"]]
            assert "X-Request-Timeout-Ms" in names

    with_app(work)


def test_a_request_without_patience_is_not_begun(with_app) -> None:
    """Zero milliseconds are over when the rows arrive at the model."""

    async def work(app: App) -> None:
        answer = await post(app, 1, "0")
        assert answer.status_code == 504

    with_app(work)
