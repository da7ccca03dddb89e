"""Gives memory that a version took back to the operating system once it is free."""

import ctypes


def give_back() -> None:
    """Return free memory, which the C library would keep for later.

    Each thread that loads has an arena of its own there, so that every change of version would leave one
    behind. Does nothing with a C library other than glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
