"""What this process uses of the machine, under the names that Prometheus clients give it."""

import gc
import os
import resource
from pathlib import Path
from time import time

_PROC = Path("/proc/self")
_started = time()


def usage() -> dict[str, float]:
    """Seconds of processor, bytes of memory, file descriptors and garbage collections."""
    times = os.times()
    found = {
        "process_cpu_seconds_total": times.user + times.system,
        "process_start_time_seconds": _started,
        "process_max_fds": float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    }
    for generation, stats in enumerate(gc.get_stats()):
        found[f"python_gc_collections_total/{generation}"] = stats["collections"]
        found[f"python_gc_objects_collected_total/{generation}"] = stats["collected"]
    try:
        virtual, resident = map(int, (_PROC / "statm").read_bytes().split()[:2])
        page = resource.getpagesize()
        found["process_virtual_memory_bytes"] = virtual * page
        found["process_resident_memory_bytes"] = resident * page
        found["process_open_fds"] = float(sum(1 for _ in (_PROC / "fd").iterdir()))
    except OSError:  # a system without /proc: these are left out
        pass
    return found


def total(parts: list[dict[str, float]]) -> dict[str, float]:
    """Add up several processes'; they began when the first did, and each has its own limit."""
    result: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            if name in ("process_start_time_seconds", "process_max_fds"):
                result[name] = min(value, result.get(name, value))
            else:
                result[name] = value + result.get(name, 0.0)
    return result


def counters(found: dict[str, float]) -> dict[str, float]:
    """The part that counts since the start, and so outlives a process."""
    return {name: value for name, value in found.items() if "_total" in name}
