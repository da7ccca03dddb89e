"""The folder through which the workers of one service exchange their statuses: made, and locked."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO, Any

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it


def make_folder(*, in_memory: bool = True) -> Path:
    """Make a private folder, in shared memory where possible; raises ``OSError``."""
    usable = in_memory and _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    return Path(tempfile.mkdtemp(prefix="snn-", dir=_SHARED_MEMORY if usable else None))


def locked(file: IO[Any]) -> bool:
    """Lock a file; return False if another process has it. Raises ``OSError``."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def status_file(number: int) -> str:
    """Return the name of the file of worker ``number``."""
    return f"worker-{number}"
