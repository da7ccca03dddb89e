"""Outputs to the body of an inference response.

Sources: "Inference Response JSON Object" of the Open Inference Protocol; the binary tensor data
extension: row-major, little-endian, in the order of the outputs, after the JSON.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_encode = msgspec.json.Encoder().encode


def encode(
    name: str,
    version: str,
    request_id: str | None,
    outputs: Mapping[str, NDArray[Any]],
    wanted: Mapping[str, bool],
    thresholds: Mapping[str, float] | None = None,
) -> tuple[bytes, int | None]:
    """Return the body, and the length of the JSON at its start if binary tensors follow it.

    ``wanted`` maps the outputs to be sent to whether each goes as binary. A float32 is written in
    JSON as the double that it is, so that a client reads back the very number, and NaN as null.
    Arrays of truth values are BOOL, of objects BYTES. ``thresholds`` are those that the request asked
    for; parameters are numbers, so that each is one.
    """
    described, tensors = [], list[bytes]()
    for output, binary in wanted.items():
        array = outputs[output]
        datatype, to_bytes = _FORMS["d" if array.dtype == np.float64 else array.dtype.kind]
        entry: dict[str, object] = {"name": output, "datatype": datatype, "shape": list(array.shape)}
        described.append(entry)
        if binary:
            tensors.append(to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(tensors[-1])}
        else:
            entry["data"] = array.ravel().tolist()
    document: dict[str, object] = {"model_name": name, "model_version": version}
    if request_id is not None:
        document["id"] = request_id
    if thresholds is not None:
        document["parameters"] = {f"threshold_{name}": value for name, value in thresholds.items()}
    document["outputs"] = described
    header = _encode(document)
    if not any(wanted.values()):
        return header, None
    return b"".join((header, *tensors)), len(header)


def _text_bytes(array: NDArray[Any]) -> bytes:
    """Return texts, each after its length."""
    encoded = [text.encode() for text in array.ravel().tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


#: By the kind of an array, ``d`` of double precision: its datatype, and its bytes as a binary tensor.
_FORMS: dict[str, tuple[str, Callable[[NDArray[Any]], bytes]]] = {
    "f": ("FP32", lambda array: array.astype("<f4", copy=False).tobytes()),
    "d": ("FP64", lambda array: array.astype("<f8", copy=False).tobytes()),
    "b": ("BOOL", lambda array: array.tobytes()),
    "O": ("BYTES", _text_bytes),
}
