"""Read a file of the model repository, which may hold anything: only regular files of limited size."""

import os
import stat
from pathlib import Path

from models.errors import BundleRefused


def read_plain(path: Path, most: int) -> bytes:
    """Read a regular file of at most ``most`` bytes.

    Raises ``BundleRefused`` if the path is a link or not a regular file, or if the file is larger, and
    ``OSError`` if it cannot be opened.
    """
    try:
        # O_NONBLOCK: opening a pipe must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise BundleRefused(f"{path.name} is a link; a bundle holds plain files") from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleRefused(f"{path.name} is not a plain file")
    with open(descriptor, "rb") as file:
        # The file may have grown since: one byte more shows it. No more is asked for than there is, for
        # room is made for as much as is asked for.
        size = status.st_size
        if size <= most and len(content := file.read(size + 1)) == size:
            return content
    if size <= most:
        raise BundleRefused(f"{path.name} changes while it is read")
    raise BundleRefused(f"{path.name} is larger than {most} bytes")
