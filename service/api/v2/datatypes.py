"""The protocol's datatypes: names, sizes, and numpy's types.

Source: "Tensor Data Types" of the Open Inference Protocol; BF16 is Triton's.
"""

import numpy as np
from numpy.typing import NDArray

from service.api.problems import Problem

BYTES = "BYTES"
BF16 = "BF16"

#: Numbers in a binary tensor: little-endian on every machine.
_NUMBERS: dict[str, np.dtype[np.number]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    BF16: np.dtype("<u2"),  # numpy has none: the upper half of an FP32, widened by ``from_bits``
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
#: Every name of the protocol.
NAMES = (*_NUMBERS, "BOOL", BYTES)


def check(name: str, datatype: str, wanted: str) -> None:
    """Raise ``Problem`` 400 unless a tensor of ``datatype`` can be read as the ``wanted`` one.

    Numbers of any width are read as FP32, to which features are rounded anyway. A boolean is refused:
    it is no measurement, and probably a mistake.
    """
    if datatype not in NAMES:
        raise Problem(
            400, f"input {name!r}: there is no datatype {datatype[:40]!r}; this model takes {wanted}"
        )
    if (datatype == BYTES) != (wanted == BYTES) or datatype == "BOOL":
        raise Problem(400, f"input {name!r} has datatype {datatype}; this model takes {wanted}")


def width(datatype: str) -> int:
    """Return the bytes of one number of this datatype in a binary tensor."""
    return _NUMBERS[datatype].itemsize


def from_bits(datatype: str, bits: memoryview) -> NDArray[np.number]:
    """Read a binary tensor of numbers as a flat array, without a copy where it is aligned."""
    array = np.frombuffer(bits, _NUMBERS[datatype])
    if datatype == BF16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    if not array.flags.aligned:  # it begins wherever the JSON before it ended
        return array.copy()
    return array


def of_numbers(datatype: str, numbers: list[float]) -> NDArray[np.number]:
    """Make a flat tensor of JSON's numbers, all ``int`` or ``float``.

    Raises ``OverflowError`` for an integer that the datatype cannot hold and ``TypeError`` for a
    fraction where it holds none. Fractions stay at their full 64 bits, so that what is beyond FP32
    is told apart from an infinity.
    """
    dtype = _NUMBERS[datatype]
    if dtype.kind == "f" or datatype == BF16:
        return np.fromiter(numbers, np.float64, len(numbers))
    if set(map(type, numbers)) - {int}:
        raise TypeError
    return np.fromiter(numbers, dtype, len(numbers))
