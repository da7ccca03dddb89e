"""What the C library keeps of memory that is free: little, and nothing after a change of version."""

import ctypes

#: The number of glibc's option, and of arenas: one for the event loop, one for the threads beside it.
_M_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> None:
    """Let all threads allocate from a few arenas; call it before they start.

    By default each of a model's threads has an arena of its own, which keeps the most it ever held.
    Does nothing with a C library other than glibc.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:
        option(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return free memory, which the C library would keep for later.

    Each change of version would leave some behind. Does nothing with a C library other than glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
