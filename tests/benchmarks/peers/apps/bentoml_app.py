"""BentoML: a service with adaptive batching."""

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from network import Network

Rows = Annotated[np.ndarray, DType("float32"), Shape((-1, 8))]


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Net:
    """The network."""

    def __init__(self) -> None:
        self._network = Network()

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def predict(self, inputs: Rows) -> np.ndarray:
        """Compute what batching has put together."""
        return self._network(inputs)
