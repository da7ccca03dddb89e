"""A session whose results stay on the device until they are asked for, as CUDA graphs need it."""

from math import prod
from typing import Any

import numpy as np
import onnxruntime

from models.networks.outputs import INPUT
from service.inference.backend.onnx_session import BucketedSession, Buffers, Rows


class DeviceSession(BucketedSession):
    """As ``BucketedSession``; made with ``enable_cuda_graph``, it captures and replays one per bucket.

    onnxruntime keeps captured graphs for the thread that captured them: all runs belong to one thread.
    """

    def compute(self, bucket: int) -> None:
        """Run on the rows that were last copied to a bucket, and copy nothing back."""
        self._buffers[bucket].compute(self._session)

    @property
    def bytes_back(self) -> int:
        """Bytes of the outputs of one row."""
        return 4 * sum(prod(shape) for shape in self._shapes.values())

    def _make_buffers(self, bucket: int) -> "DeviceBuffers":
        return DeviceBuffers(self._session, self._memory, bucket, self._features, self._shapes)


class DeviceBuffers(Buffers):
    """Memory of one bucket: inputs and outputs lie on the device, where the graph finds them again.

    Outputs bound to this side's memory would be copied when the graph is captured, and never again.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        memory: str,
        bucket: int,
        features: int,
        shapes: dict[str, list[int]],
    ) -> None:
        self._rows = np.zeros((bucket, features), np.float32)
        self._there: Any = onnxruntime.OrtValue.ortvalue_from_numpy(self._rows, memory, 0)
        self._results: dict[str, Any] = {
            name: onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                [bucket, *shape], np.float32, memory, 0
            )
            for name, shape in shapes.items()
        }
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT, self._there)
        for name, value in self._results.items():
            self._binding.bind_ortvalue_output(name, value)
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(bucket))

    def run(self, session: onnxruntime.InferenceSession, rows: Rows) -> dict[str, Rows]:
        """Copy the rows there, run, and copy the results back."""
        self.fill(rows)
        self.compute(session)
        count = len(rows)
        # A copy on this side too: on the CPU an OrtValue gives its own memory.
        return {name: value.numpy()[:count].copy() for name, value in self._results.items()}

    def compute(self, session: onnxruntime.InferenceSession) -> None:
        """Run on the rows that lie there, and leave the results there."""
        session.run_with_iobinding(self._binding, self._options)
