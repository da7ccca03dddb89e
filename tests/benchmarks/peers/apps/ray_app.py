"""Ray Serve: ``python ray_app.py PORT``, with its own batching."""

import signal
import sys
import threading

import numpy as np
import ray
from network import Network
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=512, ray_actor_options={"num_cpus": 1})
class Net:
    """The network."""

    def __init__(self) -> None:
        self._network = Network()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def _together(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        together = self._network(np.concatenate(blocks))
        return np.split(together, np.cumsum([len(block) for block in blocks])[:-1])

    async def __call__(self, request: Request) -> dict:
        """Answer one request."""
        if request.method == "GET":
            return {}
        rows = np.array((await request.json())["inputs"], np.float32)
        return {"probability": (await self._together(rows))[:, 0].tolist()}


if __name__ == "__main__":
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])},
        logging_config={"enable_access_log": False},
    )
    serve.run(Net.bind())
    ending.wait()
    serve.shutdown()
    ray.shutdown()
