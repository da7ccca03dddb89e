"""Outputs to the body of an inference response.

Sources: "Inference Response JSON Object" of the Open Inference Protocol; the binary tensor data
extension: row-major, little-endian, in the order of the outputs, after the JSON.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

_encode = msgspec.json.Encoder().encode


def encode(
    name: str,
    version: str,
    request_id: str | None,
    outputs: Mapping[str, NDArray[np.floating]],
    wanted: Mapping[str, bool],
    texts: Mapping[str, Sequence[str]] = {},
) -> tuple[bytes, int | None]:
    """Return the body, and the length of the JSON at its start if binary tensors follow it.

    ``wanted`` maps the outputs to be sent to whether each goes as binary. A float32 is written in
    JSON as the double that it is, so that a client reads back the very number, and NaN as null.
    ``texts`` are the outputs of text.
    """
    described, tensors = [], list[bytes]()
    for output, binary in wanted.items():
        if output in texts:
            described.append(_text_tensor(output, texts[output], binary, tensors))
            continue
        array = outputs[output]
        entry: dict[str, object] = {"name": output, "datatype": "FP32", "shape": list(array.shape)}
        described.append(entry)
        if binary:
            tensors.append(array.astype("<f4", copy=False).tobytes())
            entry["parameters"] = {"binary_data_size": len(tensors[-1])}
        else:
            entry["data"] = array.ravel().tolist()
    document: dict[str, object] = {"model_name": name, "model_version": version}
    if request_id is not None:
        document["id"] = request_id
    document["outputs"] = described
    header = _encode(document)
    if not any(wanted.values()):
        return header, None
    return b"".join((header, *tensors)), len(header)


def _text_tensor(
    name: str, texts: Sequence[str], binary: bool, tensors: list[bytes]
) -> dict[str, object]:
    """Describe a tensor of BYTES; a binary one, texts after their lengths, is added to ``tensors``."""
    entry: dict[str, object] = {"name": name, "datatype": "BYTES", "shape": [len(texts)]}
    if not binary:
        return entry | {"data": list(texts)}
    encoded = [text.encode() for text in texts]
    tensors.append(b"".join(len(text).to_bytes(4, "little") + text for text in encoded))
    return entry | {"parameters": {"binary_data_size": len(tensors[-1])}}
