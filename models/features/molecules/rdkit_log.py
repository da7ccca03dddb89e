"""RDKit's complaints, given to the call that caused them and kept from the log.

RDKit tells why a SMILES does not parse in its log alone. Its own means of capturing that swaps a
stream under other threads' feet, which now and then ends the process; so the log goes through
Python's logger ``rdkit``, where a filter hands each message to the thread that listens. Other
users of RDKit in the same process see their messages as before.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rdkit import rdBase

_thread = threading.local()


class _ToListener(logging.Filter):
    """Takes a message out of the log where its thread listens."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message goes on to the log."""
        heard: list[str] | None = getattr(_thread, "heard", None)
        if heard is not None:
            heard.append(record.getMessage())
        return heard is None


@contextmanager
def captured_rdkit_log() -> Iterator[list[str]]:
    """The lines that RDKit writes in this thread meanwhile, innermost listener first."""
    outer = getattr(_thread, "heard", None)
    heard: list[str] = []
    _thread.heard = heard
    try:
        yield heard
    finally:
        _thread.heard = outer


rdBase.LogToPythonLogger()
logging.getLogger("rdkit").addFilter(_ToListener())
