"""An onnxruntime session on the device that the settings ask for.

What runs a model is what the created session says, never what is installed: onnxruntime lists
CUDA as available on machines where its libraries do not load, and falls back to the CPU in silence.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import IO, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.errors import BundleRefused
from models.golden import FLOAT32, Tolerance
from models.manifest import INNER_OUTPUTS, INPUT, MODEL_FILE, OUTPUTS
from service.errors import DeviceUnavailable

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_FATAL = 4  # onnxruntime's severity from which it writes to stderr by itself

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Device:
    """Where sessions are to run; ``fallback`` is why it is the CPU although CUDA was looked for."""

    provider: str
    fallback: str | None = None

    @property
    def tolerance(self) -> Tolerance:
        """How closely golden rows must be reproduced there, in its precision."""
        return FLOAT32


class Session:
    """A loaded graph. ``run`` may be called from any thread."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._run = session.run
        made = {output.name for output in session.get_outputs()}
        self._outputs = (*OUTPUTS, *(name for name in INNER_OUTPUTS if name in made))
        self.provider: str = session.get_providers()[0]

    @property
    def may_block(self) -> bool:
        """Whether ``run`` waits for another device, and so must never run on the event loop."""
        return self.provider != CPU

    def run(self, rows: Rows) -> dict[str, Rows]:
        """Compute ``probability``, ``logit`` and ``taps`` of rows of shape ``(n, F)``.

        Of graphs that give them, ``squashed`` too, the features as the first layer sees them, and
        ``member_logit``.
        """
        return dict(zip(self._outputs, self._run(self._outputs, {INPUT: rows}), strict=True))


def open_session(model: bytes, device: Device) -> Session:
    """Create a session of an ONNX graph.

    Raises ``BundleRefused`` for a graph that onnxruntime cannot run, and ``DeviceUnavailable``
    where CUDA was chosen and the session says otherwise.
    """
    try:
        session = Session(_create(model, device.provider))
    except Exception as error:  # onnxruntime raises kinds of its own for each way a graph can be bad
        raise BundleRefused(f"{MODEL_FILE}: onnxruntime cannot run it: {_brief(error)}") from error
    if session.provider != device.provider:
        raise DeviceUnavailable(f"{device.provider} was chosen, the session runs on {session.provider}")
    return session


def choose_device(
    policy: Literal["auto", "cpu", "cuda"], explain: Callable[[], str | None] | None = None
) -> Device:
    """Decide where sessions run, by trying; ``explain`` is the attempt (a test's substitute).

    Raises ``DeviceUnavailable`` with the library's own reason where ``cuda`` is demanded and does
    not work.
    """
    if policy == "cpu":
        return Device(CPU)
    reason = (explain or why_not_cuda)()
    if reason is None:
        return Device(CUDA)
    if policy == "cuda":
        raise DeviceUnavailable(
            f"SNN_DEVICE=cuda: CUDA does not work here: {reason}"
            " Install the extra 'gpu' on a machine with an NVIDIA GPU, or set SNN_DEVICE=auto."
        )
    return Device(CPU, fallback=reason)


def why_not_cuda() -> str | None:
    """Run one operator on CUDA; return None if it did, or else the reason in the library's words."""
    if CUDA not in onnxruntime.get_available_providers():
        return "this build of onnxruntime has no CUDA provider."
    # The first prints what it does not find, the second gives the same reason from the library.
    with redirect_stdout(StringIO()), _captured_output() as output:
        onnxruntime.preload_dlls()
        error = ""
        try:
            session = _create(_one_operator(), CUDA)
            if session.get_providers()[0] == CUDA:
                session.run(None, {"x": np.zeros(1, np.float32)})
                return None
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is the reason
            error = str(failure)
        output.seek(0)
        return _reason(error, output.read().decode(errors="replace"))


def _create(model: bytes, provider: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Batches are small: a second thread costs more in hand-over than it computes, and the cores
    # are the workers' to share.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Nodes in the file's order: a layer's statistics while the processor's cache still has its units.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.log_severity_level = _FATAL
    providers = [CPU] if provider == CPU else [provider, CPU]
    # enable_fallback=0: an exception instead of another session on the CPU and a print.
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)


def _one_operator() -> bytes:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Selu", ["x"], ["y"])], "probe", [x], [y])
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    return bytes(model.SerializeToString())


def _reason(error: str, output: str) -> str:
    """Pick the telling sentence: the loader's "cannot open …", or else the exception's text."""
    if error:
        return _brief(error)
    for line in output.splitlines():
        if "with error: " in line:
            return line.split("with error: ", 1)[1].strip().removesuffix(".") + "."
    return "onnxruntime gave no reason."


def _brief(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + "…"


@contextmanager
def _captured_output() -> Iterator[IO[bytes]]:
    """Divert file descriptors 1 and 2 to a file: the C++ library writes there.

    Used once, at start, before anything else runs.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        kept = [(number, os.dup(number)) for number in (1, 2)]
        restore = [partial(os.dup2, copy, number) for number, copy in kept]
        try:
            for number, _ in kept:
                os.dup2(file.fileno(), number)
            yield file
        finally:
            for back in restore:
                back()
            for _, copy in kept:
                os.close(copy)
