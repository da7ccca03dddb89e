"""Makes the folder through which the workers of one service exchange their statuses."""

import os
import tempfile
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it


def make_folder(*, in_memory: bool = True) -> Path:
    """Make a private folder, in shared memory where possible; raises ``OSError``."""
    usable = in_memory and _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    return Path(tempfile.mkdtemp(prefix="snn-", dir=_SHARED_MEMORY if usable else None))
