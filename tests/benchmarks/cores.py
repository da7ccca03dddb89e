"""One core for the server, the others for the load, so that neither takes from the other."""

import os
import time
from collections.abc import Callable
from pathlib import Path

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


def busy(seconds: float) -> float:
    """The share of this machine's cores that is in use, while this process waits for so long."""

    def ticks() -> tuple[int, int]:
        line = Path("/proc/stat").read_text().partition("\n")[0]
        user, nice, system, idle, waiting, *others = map(int, line.split()[1:9])
        return idle + waiting, user + nice + system + idle + waiting + sum(others)

    idle, whole = ticks()
    time.sleep(seconds)
    idle_then, whole_then = ticks()
    return 1 - (idle_then - idle) / max(whole_then - whole, 1)
