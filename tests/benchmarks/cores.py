"""One core for the server, the others for the load, so that neither takes from the other."""

import os
from collections.abc import Callable

from models.cores import cores

_AVAILABLE = sorted(os.sched_getaffinity(0))[: cores()]

#: The server's core.
SERVER: frozenset[int] = frozenset(_AVAILABLE[-1:])
#: The load generators' cores, and this process's.
LOAD: frozenset[int] = frozenset(_AVAILABLE[:-1] or _AVAILABLE)
#: All of them, for a server of several workers.
ALL: frozenset[int] = frozenset(_AVAILABLE)

#: Said below every table where it is so.
SHARED_NOTE = "This machine has one core: server and load share it, and no figure is worth much."


def pin(cores: frozenset[int]) -> None:
    """Keep this process, and what it starts from now on, on these cores."""
    os.sched_setaffinity(0, cores)


def pinned(cores: frozenset[int]) -> Callable[[], None]:
    """What a child process does before it starts: for ``preexec_fn``."""
    return lambda: pin(cores)
