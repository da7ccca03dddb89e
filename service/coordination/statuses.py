"""What the workers of one service tell each other: records, and how they are written as bytes."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
import numpy as np

from models.health.windows.onset import Remembered
from service.coordination.window_sums import WindowSums
from service.health.outliers import OutlierRow
from service.health.sequential_state import Watch
from service.inference.integrity import IntegrityFault
from service.inference.trials.comparison import TrialSums
from service.observability.counters import Telemetry

T = TypeVar("T")


class WorkerSlot(msgspec.Struct, frozen=True):
    """A running worker process; ``first`` tells that the service was started with it.

    Nobody waits for one that is ``silent``: it is stopped or hangs.
    """

    pid: int
    first: bool
    silent: bool = False


class Roster(msgspec.Struct, frozen=True):
    """The supervisor's list of running workers, by number from 1."""

    slots: dict[int, WorkerSlot] = {}
    #: How many workers the service is configured to have.
    wanted: int = 1
    restarts: int = 0
    draining: bool = False


class ModelStatus(msgspec.Struct, frozen=True):
    """The state of one model in one worker."""

    version: int | None
    provider: str | None
    error: str | None
    unloaded: bool
    promised: bool
    has_served: bool
    vanished: bool
    intact: bool | None
    checked_at: datetime | None
    fault: IntegrityFault | None
    files_error: str | None
    waiting: int
    #: None for a model without taps.
    sums: WindowSums | None
    departing: list[OutlierRow] = []
    #: When a row was last computed wrongly, by the monotonic clock; None for never.
    corrupted_at: float | None = None


class WorkerStatus(msgspec.Struct, frozen=True):
    """The state of one worker and all that it has counted."""

    pid: int
    #: Whether the worker accepts connections.
    serving: bool
    trouble: str | None
    models: dict[str, ModelStatus]
    #: Versions that are loaded and wait for a cutover, and versions that could not be loaded.
    prepared: dict[str, int]
    refused: dict[str, int]
    counted: Telemetry
    #: The process's use of the machine: seconds of processor, bytes of memory and the like.
    process: dict[str, float]
    #: What was compared of the challengers that are on trial.
    compared: dict[str, TrialSums] = {}


class CutoverDecision(msgspec.Struct, frozen=True):
    """The version that all workers serve from ``at`` on, or that the model is unloaded.

    ``at`` and ``check``, when all workers were last asked to check the model, are times of the
    monotonic clock in seconds.
    """

    version: int
    at: float
    unloaded: bool = False
    check: float = 0.0


class VerdictRecord(msgspec.Struct, frozen=True):
    """The verdict on one version, since when it holds, and what the next look needs to know.

    That is the state of the sequential detector, and what is remembered of the latest change.
    """

    version: int
    verdict: str
    since: datetime
    watch: Watch | None = None
    remembered: Remembered | None = None


CutoverDecisions = dict[str, CutoverDecision]
VerdictRecords = dict[str, VerdictRecord]


def _array_to_plain(value: object) -> object:
    """Turn a numpy array into its type, its shape and its bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(type(value))


def _array_from_plain(_: type, value: tuple[str, list[int], bytes]) -> object:
    dtype, shape, content = value
    return np.frombuffer(content, dtype).reshape(shape)


encode = msgspec.msgpack.Encoder(enc_hook=_array_to_plain).encode
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def decode(content: bytes, kind: type[T]) -> T:
    """Read what ``encode`` wrote; raises ``msgspec.MsgspecError`` for anything else."""
    # A decoder is made once per type: making one takes a thousand times as long as using it.
    if kind not in _decoders:
        _decoders[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_array_from_plain)
    value: T = _decoders[kind].decode(content)
    return value
