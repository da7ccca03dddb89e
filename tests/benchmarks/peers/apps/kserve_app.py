"""KServe's Python server: ``python kserve_app.py PORT``."""

import sys

import numpy as np
from kserve import Model, ModelServer
from network import Network


class Net(Model):
    """The network behind the v1 protocol."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._network = Network()
        self.ready = True

    async def predict(self, payload: dict, headers: dict | None = None, **_: object) -> dict:
        """Compute one request."""
        rows = np.array(payload["instances"], np.float32)
        return {"predictions": self._network(rows)[:, 0].tolist()}


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1, access_log_format=None).start(
        [Net("net")]
    )
