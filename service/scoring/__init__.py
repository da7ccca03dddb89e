"""Scores files without a server: ``python -m service score FILE``.

``command`` reads the command line and shows progress, ``run`` cuts the file into pieces, hands them
to processes and writes what comes back in order, ``journal`` makes that survive a kill, ``scorer`` is
what each process does: raw piece in, finished text out. It needs no more than a ``Job``, so another
engine can drive it.
"""
