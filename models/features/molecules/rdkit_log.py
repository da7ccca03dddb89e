"""RDKit's log messages, given to the call that caused them and kept out of the log.

RDKit says only in its log why a SMILES does not parse. Its own means of capturing the log swaps a
stream that other threads use, which can end the process. So the log goes through Python's logger
``rdkit``, where a filter hands each message to the thread that captures. Other users of RDKit in the
same process see their messages as before.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rdkit import rdBase

_thread = threading.local()


def _goes_on(record: logging.LogRecord) -> bool:
    """Whether a message goes on to the log, which it does unless its thread captures."""
    captured: list[str] | None = getattr(_thread, "captured", None)
    if captured is not None:
        captured.append(record.getMessage())
    return captured is None


@contextmanager
def captured_rdkit_log() -> Iterator[list[str]]:
    """The list to which RDKit's messages in this thread are added; the innermost capture gets them."""
    outer = getattr(_thread, "captured", None)
    messages: list[str] = []
    _thread.captured = messages
    try:
        yield messages
    finally:
        _thread.captured = outer


rdBase.LogToPythonLogger()
logging.getLogger("rdkit").addFilter(_goes_on)
