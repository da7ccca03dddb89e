"""LitServe: ``python litserve_app.py PORT``, with its own batching."""

import sys

import litserve
import numpy as np
from network import Network


class Api(litserve.LitAPI):
    """The network; a request is a block of rows, a batch is a list of blocks."""

    def setup(self, device: str) -> None:
        """Open the session in the worker."""
        self._network = Network()

    def decode_request(self, request: dict) -> np.ndarray:
        """Take the rows out of the JSON."""
        return np.array(request["inputs"], np.float32)

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Keep the blocks apart: requests may be of different sizes."""
        return inputs

    def predict(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """Compute all blocks in one run."""
        together = self._network(np.concatenate(blocks))
        return np.split(together, np.cumsum([len(block) for block in blocks])[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        """One answer per request."""
        return output

    def encode_response(self, output: np.ndarray) -> dict:
        """Put the answer into JSON."""
        return {"probability": output[:, 0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=64, batch_timeout=0.001), accelerator="cpu")
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="error")
