"""mosec: ``python mosec_app.py --address 127.0.0.1 --port PORT``, with its own batching."""

import mosec
import numpy as np
from network import Network


class Net(mosec.Worker):
    """The network; a batch is a list of requests, decoded from JSON by mosec."""

    def __init__(self) -> None:
        super().__init__()
        self._network = Network()

    def forward(self, data: list[dict]) -> list[dict]:
        """Compute all blocks in one run."""
        blocks = [np.array(request["inputs"], np.float32) for request in data]
        together = self._network(np.concatenate(blocks))
        parts = np.split(together, np.cumsum([len(block) for block in blocks])[:-1])
        return [{"probability": part[:, 0].tolist()} for part in parts]


if __name__ == "__main__":
    server = mosec.Server()
    # One process beside that of the web layer: they share a core here. It waits a millisecond for more.
    server.append_worker(Net, num=1, max_batch_size=64, max_wait_time=1)
    server.run()
