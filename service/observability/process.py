"""What this process uses of the machine, under the names that Prometheus clients give it."""

import gc
import os
import resource
from pathlib import Path
from time import time

from service.observability.logs import dropped

_PROC = Path("/proc/self")
_started = time()


def usage() -> dict[str, float]:
    """Return what is used of processor, memory and files, and lines that were not logged, by name."""
    times = os.times()
    values = {
        "process_cpu_seconds_total": times.user + times.system,
        "process_start_time_seconds": _started,
        "process_max_fds": float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        "snn_log_lines_dropped_total": float(dropped()),
    }
    for generation, stats in enumerate(gc.get_stats()):
        values[f"python_gc_collections_total/{generation}"] = stats["collections"]
        values[f"python_gc_objects_collected_total/{generation}"] = stats["collected"]
    try:
        virtual, resident = map(int, (_PROC / "statm").read_bytes().split()[:2])
        page = resource.getpagesize()
        values["process_virtual_memory_bytes"] = virtual * page
        values["process_resident_memory_bytes"] = resident * page
        values["process_open_fds"] = float(sum(1 for _ in (_PROC / "fd").iterdir()))
    except OSError:  # a system without /proc
        pass
    return values


def total(parts: list[dict[str, float]]) -> dict[str, float]:
    """Add up the values of several processes; of start times and limits, take the smallest."""
    result: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            if name in ("process_start_time_seconds", "process_max_fds"):
                result[name] = min(value, result.get(name, value))
            else:
                result[name] = value + result.get(name, 0.0)
    return result


def counters(values: dict[str, float]) -> dict[str, float]:
    """Return the values that only grow; they count on when the process has ended."""
    return {name: value for name, value in values.items() if "_total" in name}
