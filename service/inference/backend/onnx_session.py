"""A loaded graph that computes rows: on the CPU straight from memory, on CUDA in buckets."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.utils import Extractor

from models.bundle.manifest import MODEL_FILE
from models.errors import BundleRefused
from models.health.onnx_detector import KEPT, SCORES
from models.networks.outputs import DOUBLES, INNER_OUTPUTS, INPUT, OUTPUTS, SQUASHED, TAPS
from service.errors import DeviceUnavailable
from service.inference.backend.device import CPU, Device, brief, create_session

Rows = NDArray[np.float32]
#: An output: single precision, or double of a quantity.
Computed = NDArray[Any]

#: Bytes of features that a session on the CPU computes at once. More rows are computed in pieces: what
#: the graph makes of them stays in the processor's cache, and the memory that onnxruntime keeps small.
_AT_ONCE = 1 << 19

#: Sizes to which a batch is filled up on CUDA. Memory there is kept per shape that was ever seen, so
#: there are few shapes; a batch larger than the largest is computed in pieces.
BUCKETS = (1, 8, 32, 128, 256, 1024)


class Session:
    """A loaded graph. ``run`` may be called from any thread."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._run = session.run
        made = {output.name for output in session.get_outputs()}
        named = (*OUTPUTS, *DOUBLES, *INNER_OUTPUTS, SCORES, KEPT)
        self._outputs = tuple(name for name in named if name in made)
        self._features: int = session.get_inputs()[0].shape[1]
        self._most_rows = max(1, _AT_ONCE // (4 * self._features))
        self.provider: str = session.get_providers()[0]

    @property
    def may_block(self) -> bool:
        """Whether ``run`` waits for another device, and so must never run on the event loop."""
        return self.provider != CPU

    def run(self, rows: Rows) -> dict[str, Computed]:
        """Compute ``probability`` and ``logit``, or ``value`` and ``interval``, of rows ``(n, F)``.

        Of graphs that give them, ``taps`` too, ``squashed``, the features as the first layer sees
        them, and ``member_logit``.
        """
        if len(rows) > self._most_rows:
            return self._in_pieces(rows, self._most_rows)
        return self._piece(rows)

    def _in_pieces(self, rows: Rows, most: int) -> dict[str, Computed]:
        pieces = [self._piece(rows[first : first + most]) for first in range(0, len(rows), most)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in self._outputs}

    def _piece(self, rows: Rows) -> dict[str, Computed]:
        return dict(zip(self._outputs, self._run(self._outputs, {INPUT: rows}), strict=True))


class SizedSession(Session):
    """Two forms of a graph: ``few`` computes and judges small batches."""

    def __init__(self, whole: Session, few: Session, most_rows: int) -> None:
        """``few`` takes up to ``most_rows`` rows."""
        self._whole, self._few, self._most_rows = whole, few, most_rows
        self.provider = whole.provider

        #: What computes rows here; each has weights of its own.
        self.forms: list[Callable[[Rows], dict[str, Computed]]] = [whole.run, few.run]

    def run(self, rows: Rows) -> dict[str, Computed]:
        """The same outputs; of small batches also what the detector makes of them."""
        return (self._few if len(rows) <= self._most_rows else self._whole).run(rows)


class BucketedSession(Session):
    """A session on a device of its own memory: fixed shapes, buffers that are made once.

    Rows are copied to the device, results back, and nothing is allocated between. One run at a time.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        memory: str = "cuda",
        buckets: Sequence[int] = BUCKETS,
    ) -> None:
        """``memory`` is the device that holds the buffers, as onnxruntime calls it."""
        super().__init__(session)
        self._session = session
        self._memory = memory
        self._buckets = buckets
        shapes = {output.name: output.shape[1:] for output in session.get_outputs()}
        self._shapes: dict[str, list[int]] = {name: shapes[name] for name in self._outputs}
        self._buffers: dict[int, Buffers] = {}
        self._lock = Lock()

    def run(self, rows: Rows) -> dict[str, Computed]:
        """The same outputs; rows that fill a bucket up are computed and left out."""
        largest = self._buckets[-1]
        with self._lock:
            return self._in_pieces(rows, largest) if len(rows) > largest else self._piece(rows)

    def _piece(self, rows: Rows) -> dict[str, Computed]:
        count = len(rows)
        bucket = next(size for size in self._buckets if size >= count)
        if bucket not in self._buffers:
            self._buffers[bucket] = self._make_buffers(bucket)
        return self._buffers[bucket].run(self._session, rows)

    def _make_buffers(self, bucket: int) -> "Buffers":
        return Buffers(self._session, self._memory, bucket, self._features, self._shapes)


class Buffers:
    """Memory of one bucket: rows in, on both sides, and outputs here."""

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
        self._outputs = {
            name: np.empty((bucket, *shape), np.float64 if name in DOUBLES else np.float32)
            for name, shape in shapes.items()
        }
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT, self._there)
        for name, array in self._outputs.items():
            shape, place = list(array.shape), array.ctypes.data
            self._binding.bind_output(name, "cpu", 0, array.dtype.type, shape, place)

    def run(self, session: onnxruntime.InferenceSession, rows: Rows) -> dict[str, Computed]:
        """Compute no more rows than the bucket holds; what is returned is a copy."""
        count = len(rows)
        self.fill(rows)
        session.run_with_iobinding(self._binding)
        return {name: array[:count].copy() for name, array in self._outputs.items()}

    def fill(self, rows: Rows) -> None:
        """Copy rows to the device, and one of them to the places that are left."""
        count = len(rows)
        self._rows[:count] = rows
        # Filled up with a real row: one of zeros might be slower, or be no number further on.
        self._rows[count:] = rows[:1] if count else 0
        self._there.update_inplace(self._rows)


def forms_of(session: Session) -> list[Callable[[Rows], dict[str, Computed]]]:
    """Return all that computes rows in a session: what golden rows have to check."""
    return session.forms if isinstance(session, SizedSession) else [session.run]


def without_taps(model: bytes) -> bytes:
    """Return a graph that makes the same answers and members' logits, and nothing of the layers."""
    graph = onnx.load_model_from_string(model)
    made = [output.name for output in graph.graph.output if output.name not in (TAPS, SQUASHED)]
    return bytes(Extractor(graph).extract_model([INPUT], made).SerializeToString())


def open_session(model: bytes, device: Device) -> Session:
    """Create a session of an ONNX graph.

    Raises ``BundleRefused`` for a graph that onnxruntime cannot run, and ``DeviceUnavailable``
    where CUDA was chosen and the session says otherwise.
    """
    try:
        made = create_session(model, device)
    except Exception as error:  # onnxruntime raises kinds of its own for each way a graph can be bad
        raise BundleRefused(f"{MODEL_FILE}: onnxruntime cannot run it: {brief(error)}") from error
    provider = made.get_providers()[0]
    if provider != device.provider:
        raise DeviceUnavailable(f"{device.provider} was chosen, the session runs on {provider}")
    return Session(made) if provider == CPU else BucketedSession(made)
