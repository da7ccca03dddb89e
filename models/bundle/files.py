"""Read a file of the model repository, which may hold anything: only plain files, of bounded size."""

import os
import stat
from pathlib import Path


class NotPlain(Exception):
    """What stands there is not a plain file of acceptable size; the text says what it is."""


def read_plain(path: Path, most: int) -> bytes:
    """Read a regular file of at most ``most`` bytes.

    Raises ``NotPlain`` for a link, a device or a file that is larger, and ``OSError`` for what
    cannot be opened.
    """
    try:
        # O_NONBLOCK: a pipe put in a file's place must not hang the opening.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise NotPlain(f"{path.name} is a link; a bundle holds plain files") from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotPlain(f"{path.name} is not a plain file")
    with open(descriptor, "rb") as file:
        if status.st_size > most:
            raise NotPlain(f"{path.name} is larger than {most} bytes")
        content = file.read(most + 1)
    if len(content) > most:  # it grew
        raise NotPlain(f"{path.name} is larger than {most} bytes")
    return content
