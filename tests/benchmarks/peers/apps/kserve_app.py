"""KServe's Python server: ``python kserve_app.py PORT [GRPC_PORT]``."""

import sys

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid
from network import Network


class Net(Model):
    """The network behind the v1 protocol and, by gRPC, behind v2."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._network = Network()
        self.ready = True

    async def predict(
        self, payload: dict | InferRequest, headers: dict | None = None, **_: object
    ) -> dict | InferResponse:
        """Compute one request."""
        if isinstance(payload, InferRequest):
            found = self._network(payload.inputs[0].as_numpy())
            output = InferOutput("probability", list(found.shape), "FP32")
            output.set_data_from_numpy(found, binary_data=True)
            return InferResponse(payload.id or generate_uuid(), self.name, [output])
        rows = np.array(payload["instances"], np.float32)
        return {"predictions": self._network(rows)[:, 0].tolist()}


if __name__ == "__main__":
    ports = [int(port) for port in sys.argv[1:]]
    given = {"http_port": ports[0], "grpc_port": ports[-1], "enable_grpc": len(ports) > 1}
    ModelServer(**given, workers=1, access_log_format=None).start([Net("net")])
