"""What every peer computes with: the plain graph in onnxruntime, on one thread."""

import os

import numpy as np
import onnxruntime

#: The environment variable that names the graph's file.
MODEL = "SNN_PEERS_MODEL"


class Network:
    """Rows of shape ``(n, 8)`` to probabilities of shape ``(n, 1)``."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ[MODEL], options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Compute probabilities."""
        return self._session.run(None, {"features": np.ascontiguousarray(rows, np.float32)})[0]
