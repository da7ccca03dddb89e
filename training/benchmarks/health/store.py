"""Files by which the processes of one run exchange dataclasses of arrays: numbers alone, no pickle."""

from pathlib import Path
from typing import Any, TypeVar, get_origin

import msgspec
import numpy as np
from pydantic import BaseModel

T = TypeVar("T")


def keep(path: Path, value: object) -> None:
    """Write a value; a reader sees the old file or the new one, never a part."""
    staging = path.with_suffix(".part")
    staging.write_bytes(msgspec.msgpack.encode(value, enc_hook=_plain))
    staging.replace(path)


def load(path: Path, kind: type[T]) -> T:
    """Read what ``keep`` wrote; its arrays are read-only."""
    return msgspec.msgpack.decode(path.read_bytes(), type=kind, dec_hook=_rebuilt)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise NotImplementedError(f"{type(value).__name__} is not kept")


def _rebuilt(kind: Any, value: Any) -> Any:
    if get_origin(kind) is np.ndarray:
        dtype, shape, content = value
        return np.frombuffer(content, dtype).reshape(shape)
    if issubclass(kind, BaseModel):
        return kind.model_validate(value)
    raise NotImplementedError(f"{kind} is not kept")
