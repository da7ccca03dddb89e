"""Look at what an npz file would unpack to before it is unpacked: a small file may fill the memory."""

import io
import math
import zipfile
from typing import IO

import numpy as np

_MOST_ARRAYS = 64


def check_unpacked(content: bytes, most: int) -> None:
    """Check that all arrays together have at most ``most`` bytes.

    Raises ``ValueError`` if they have more, or if an array claims more than its part of the file holds,
    and ``zipfile.BadZipFile`` if it is no such file.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        # A part is read no further than its size in the directory of the file.
        size = sum(entry.file_size for entry in entries)
        if len(entries) > _MOST_ARRAYS or size > most:
            raise ValueError(f"it unpacks to {len(entries)} arrays of {size} bytes; {most} are allowed")
        for entry in entries:
            with archive.open(entry) as part:
                if _claimed(part) > entry.file_size:
                    raise ValueError(f"{entry.filename[:40]!r} claims more values than it holds")


def _claimed(part: IO[bytes]) -> int:
    """The bytes of an array by its head."""
    version = np.lib.format.read_magic(part)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"it is of the unknown version {version}")
    shape, _, dtype = read(part)
    return math.prod(shape) * int(dtype.itemsize)
