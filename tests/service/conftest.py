"""A service in this process, without a socket: the application over a house of one small model."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from models.registry.store import Repository
from service.api.app import create_app
from service.coordination.coordinator import WorkerCoordinator
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import open_session
from service.inference.batcher import Limits
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.observability.counters import Telemetry
from tests.support import bundles

MAX_ROWS, MAX_BYTES = 1000, 100_000


class App:
    """The application and what is behind it."""

    def __init__(self, root: Path, **options: object) -> None:
        self.served_models, self.telemetry = ServedModels(), Telemetry()
        self.open_session = open_session
        repository = Repository(root)
        loader = Loader(repository, Device(CPU), self.telemetry, Limits(), self._open)
        coordinator = WorkerCoordinator(self.served_models, self.telemetry)
        self.reloader = Reloader(
            self.served_models, loader, repository, 1.0, 60.0, coordinator=coordinator
        )
        self.predictor = Predictor(self.served_models, MAX_ROWS)
        self.coordinator = coordinator
        self.rebuild(**options)

    def rebuild(self, **options: object) -> None:
        """Make the application, with options that may need what is behind it."""
        self.asgi = create_app(
            self.served_models,
            self.predictor,
            self.telemetry,
            max_rows=MAX_ROWS,
            max_bytes=MAX_BYTES,
            coordinator=self.coordinator,
            **options,
        )
        transport = httpx.ASGITransport(self.asgi)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def _open(self, model: bytes, device: Device):
        return self.open_session(model, device)

    async def predict(self, **body: object) -> httpx.Response:
        """Post a body of these fields."""
        return await self.client.post("/predict", json=body)


Work = Callable[[App], Awaitable[None]]


@pytest.fixture
def with_app(tmp_path: Path) -> Callable[[Work], None]:
    """Return a function that runs a test's work with an application that serves the small htru2."""
    bundles.publish(tmp_path)

    def run(
        work: Work,
        *,
        load: bool = True,
        prepare: Callable[[App], None] | None = None,
        **options: object,
    ) -> None:
        async def main() -> None:
            app = App(tmp_path, **options)
            if prepare is not None:
                prepare(app)
            if load:
                await app.reloader.poll()
            async with app.client:
                await work(app)
            app.predictor.close()

        asyncio.run(main())

    return run
