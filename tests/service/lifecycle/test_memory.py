"""What the C library keeps of the memory of threads."""

import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys, threading
from service.lifecycle.memory import share_arenas

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "shared":
    share_arenas()
together = threading.Barrier(8)

def allocate():
    together.wait()
    block = libc.malloc(100_000)
    together.wait()
    libc.free(block)

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""


def _arenas(how: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], check=True, capture_output=True, text=True
    )
    return ended.stderr.count("Arena ")


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_stats is glibc's")
def test_threads_share_arenas() -> None:
    """Eight threads allocate from two arenas, where each would have its own."""
    assert _arenas("shared") <= 2 < _arenas("own")
