"""Scores files without a server: ``python -m service score FILE``.

``command`` reads the command line and shows progress. ``run`` cuts the file into pieces, hands them
to an engine and writes what comes back in order. ``checkpoint`` makes that survive a kill. ``scorer``
is what each process of an engine does: raw piece in, finished text out.
"""
