"""Which device sessions run on, found out by trying.

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
from typing import IO, Any, Literal

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from models.bundle.golden import CUDA_FLOAT32, FLOAT32, TF32, Tolerance
from service.errors import DeviceUnavailable

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_FATAL = 4  # onnxruntime's severity from which it writes to stderr by itself


@dataclass(frozen=True, slots=True)
class Device:
    """Where sessions are to run; ``fallback`` is why it is the CPU although CUDA was looked for.

    Of CUDA: ``memory_bytes`` is the most that a session may take (None: no limit of ours), and with
    ``tf32`` products are rounded to 10 bits of mantissa, which is quicker.
    """

    provider: str
    fallback: str | None = None
    memory_bytes: int | None = None
    tf32: bool = False

    @property
    def tolerance(self) -> Tolerance:
        """How closely golden rows must be reproduced there, in its precision."""
        if self.provider != CUDA:
            return FLOAT32
        return TF32 if self.tf32 else CUDA_FLOAT32


def choose_device(
    policy: Literal["auto", "cpu", "cuda"],
    explain: Callable[[], str | None] | None = None,
    *,
    memory_bytes: int | None = None,
    tf32: bool = False,
) -> Device:
    """Decide where sessions run, by trying; ``explain`` is the attempt (a test's substitute).

    ``memory_bytes`` and ``tf32`` are what ``Device`` says, for CUDA alone.

    Raises ``DeviceUnavailable`` with the library's own reason where ``cuda`` is demanded and does
    not work.
    """
    if policy == "cpu":
        return Device(CPU)
    reason = (explain or why_not_cuda)()
    if reason is None:
        return Device(CUDA, memory_bytes=memory_bytes, tf32=tf32)
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
            session = create_session(_one_operator(), Device(CUDA), alone=False)
            if session.get_providers()[0] == CUDA:
                session.run(None, {"x": np.zeros(1, np.float32)})
                return None
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is the reason
            error = str(failure)
        output.seek(0)
        return _reason(error, output.read().decode(errors="replace"))


def create_session(model: bytes, device: Device, *, alone: bool = True) -> onnxruntime.InferenceSession:
    """Create onnxruntime's session of a graph in one thread, on this device and no other.

    Without ``alone`` the CPU may take over; only then does the library say why CUDA does not load.
    """
    options = session_options()
    providers: list[Any] = [CPU] if device.provider == CPU else [(CUDA, cuda_options(device))]
    if not alone:
        providers.append(CPU)
    elif device.provider != CPU:
        # A node that CUDA cannot run is an error, not a copy there and back. The CPU must not even
        # be named beside it then: onnxruntime takes that for a contradiction.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # enable_fallback=0: an exception instead of another session on the CPU and a print.
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)


def session_options() -> onnxruntime.SessionOptions:
    """The options of every session, on either device."""
    options = onnxruntime.SessionOptions()
    # Batches are small: a second thread costs more in hand-over than it computes, and the cores
    # are the workers' to share.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Nodes in the file's order: a layer's statistics while the processor's cache still has its units.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.log_severity_level = _FATAL
    return options


def cuda_options(device: Device) -> dict[str, str]:
    """The CUDA provider's options that differ from its own defaults.

    Nothing is said of convolutions, of which these networks have none, and copies stay on the stream
    of the kernels, as onnxruntime advises: apart from it they race. ``enable_cuda_graph`` stays off:
    onnxruntime keeps captured graphs per thread, and a capture is broken by whatever another thread
    of the process does on the device meanwhile, such as loading the next version.
    """
    options = {
        # Grow by what is asked for, not by doubling: the buckets ask for all they need at once.
        "arena_extend_strategy": "kSameAsRequested",
        # On by default; off, a product is float32's, and golden rows are compared as closely as
        # on the CPU.
        "use_tf32": "1" if device.tf32 else "0",
    }
    if device.memory_bytes is not None:
        options["gpu_mem_limit"] = str(device.memory_bytes)
    return options


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
        return brief(error)
    for line in output.splitlines():
        if "with error: " in line:
            return line.split("with error: ", 1)[1].strip().removesuffix(".") + "."
    return "onnxruntime gave no reason."


def brief(error: object) -> str:
    """An error's text on one line, of bounded length."""
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
