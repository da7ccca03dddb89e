"""Reads a declared input for a featurizer: an array of numbers, cells of text, or SMILES.

Sources: "Tensor Data" of the Open Inference Protocol (JSON, flat or nested, row-major), and Triton's
binary tensor data extension (little-endian; an element of BYTES is a 4-byte length and its bytes).
No other error than ``Problem`` is raised, and a declared shape allocates nothing before it is compared
with the data.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.problems import Problem
from service.api.v2 import datatypes

Records = list[Any] | NDArray[np.number]

_LENGTH_BYTES = 4
_MOST_DIMENSIONS = 8


def records_of(
    name: str,
    datatype: str,
    shape: Sequence[int],
    data: list[Any] | memoryview,
    columns: int | None,
    max_rows: int,
    readers: Sequence[Callable[[str], object]] = (),
) -> Records:
    """Read a tensor: an array of shape ``(n, columns)``, or n strings where ``columns`` is None.

    With ``readers``, one per column, the elements are cells of text, and n lists of values are returned.

    ``data`` is JSON's list, or the bytes of a binary tensor. Raises ``Problem`` 400, or 413 for more
    than ``max_rows`` rows.
    """
    wanted = datatypes.BYTES if columns is None or readers else "FP32"
    datatypes.check(name, datatype, wanted)
    rows = _rows(name, shape, columns)
    if rows > max_rows:
        raise Problem(413, f"input {name!r} has {rows} rows; the most is {max_rows}, so send several")
    if columns is None:
        if isinstance(data, memoryview):
            return _strings_of_bytes(name, data, rows)
        return _strings_of_json(name, _flat(name, shape, data), rows)
    if readers:
        cells = (
            _strings_of_bytes(name, data, rows * columns)
            if isinstance(data, memoryview)
            else _strings_of_json(name, _flat(name, shape, data), rows * columns)
        )
        return [
            [read(cell) for read, cell in zip(readers, cells[first : first + columns], strict=True)]
            for first in range(0, len(cells), columns)
        ]
    flat = (
        _numbers_of_bytes(name, datatype, data, rows * columns)
        if isinstance(data, memoryview)
        else _numbers_of_json(name, datatype, _flat(name, shape, data), rows * columns)
    )
    return flat.reshape(rows, columns)


def _rows(name: str, shape: Sequence[int], columns: int | None) -> int:
    """Check a shape against ``[-1, columns]``, or ``[-1]`` and ``[-1, 1]`` for strings."""
    fitting = (len(shape) == 2 and shape[1] == (columns or 1)) or (columns is None and len(shape) == 1)
    if not fitting:
        wanted = "[-1] or [-1,1]" if columns is None else f"[-1,{columns}]"
        shown = "[" + ",".join(str(size) for size in shape[:_MOST_DIMENSIONS])
        shown += ",…]" if len(shape) > _MOST_DIMENSIONS else "]"
        raise Problem(400, f"input {name!r} has shape {shown}; this model takes {wanted}")
    if shape[0] < 1:
        raise Problem(400, f"input {name!r} has {shape[0]} rows; send at least one")
    return shape[0]


def _flat(name: str, shape: Sequence[int], data: list[Any]) -> list[Any]:
    """Return the elements in row-major order, of data that is nested as the shape, or flat."""
    if len(shape) == 1 or not (data and isinstance(data[0], list)):
        return data
    if set(map(type, data)) != {list} or set(map(len, data)) != {shape[1]} or len(data) != shape[0]:
        shown = f"{shape[0]} lists of {shape[1]}"
        raise Problem(
            400, f"input {name!r}: its shape says {shown}; the nested data has others, or other things"
        )
    return list(chain.from_iterable(data))


def _numbers_of_json(name: str, datatype: str, flat: list[Any], count: int) -> NDArray[np.number]:
    _check_count(name, len(flat), count)
    # Types are checked because numpy would read true as 1 and "1.5" as 1.5 in silence.
    if not set(map(type, flat)) <= {int, float}:
        index = next(i for i, value in enumerate(flat) if type(value) not in (int, float))
        raise Problem(400, f"input {name!r}: the element at index {index} is not a number")
    try:
        return datatypes.of_numbers(datatype, flat)
    except (OverflowError, TypeError):
        raise Problem(400, f"input {name!r}: an element is not a number of {datatype}") from None


def _numbers_of_bytes(name: str, datatype: str, data: memoryview, count: int) -> NDArray[np.number]:
    width = datatypes.width(datatype)
    if len(data) != count * width:
        raise Problem(
            400,
            f"input {name!r}: {len(data)} bytes of binary data;"
            f" its shape says {count} elements of {width} bytes",
        )
    return datatypes.from_bits(datatype, data)


def _strings_of_json(name: str, flat: list[Any], count: int) -> list[Any]:
    _check_count(name, len(flat), count)
    if set(map(type, flat)) != {str}:
        index = next(i for i, value in enumerate(flat) if type(value) is not str)
        raise Problem(400, f"input {name!r}: the element at index {index} is not a string")
    return flat


def _strings_of_bytes(name: str, data: memoryview, count: int) -> list[Any]:
    """Return the elements of a binary tensor of BYTES, each UTF-8."""
    strings: list[Any] = []
    position, size = 0, len(data)
    while position < size and len(strings) < count:
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        if start > size or position > size:
            raise Problem(
                400,
                f"input {name!r}: the element at index {len(strings)} ends beyond the binary data;"
                " each is a length of 4 bytes, little-endian, and so many bytes",
            )
        try:
            strings.append(str(data[start:position], "utf-8"))
        except UnicodeDecodeError:
            text = f"input {name!r}: the element at index {len(strings)} is not UTF-8"
            raise Problem(400, text) from None
    if position < size:
        raise Problem(
            400, f"input {name!r}: its shape says {count} elements; {size - position} bytes follow them"
        )
    _check_count(name, len(strings), count)
    return strings


def _check_count(name: str, found: int, count: int) -> None:
    if found != count:
        raise Problem(400, f"input {name!r}: {found} elements; its shape says {count}")
