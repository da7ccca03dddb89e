"""Triton: ``model.py`` of its Python backend."""

import os
import sys

sys.path[:0] = os.environ["SNN_PEERS_PATH"].split(":")

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402
from network import Network  # noqa: E402


class TritonPythonModel:
    """The network behind the v2 protocol."""

    def initialize(self, _: dict) -> None:
        """Open the session."""
        self._network = Network()

    def execute(self, requests: list) -> list:
        """Compute all requests that dynamic batching has put together in one run."""
        blocks = [triton.get_input_tensor_by_name(one, "features").as_numpy() for one in requests]
        together = self._network(np.concatenate(blocks))
        parts = np.split(together, np.cumsum([len(block) for block in blocks])[:-1])
        return [
            triton.InferenceResponse([triton.Tensor("probability", np.ascontiguousarray(part))])
            for part in parts
        ]
