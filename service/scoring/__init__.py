"""Scores files without a server: ``python -m service score FILE``.

``command`` reads the command line and shows progress. ``run`` opens the file, passes it to an engine
and writes the results in order. ``checkpoint`` lets a run continue after a kill. An engine splits the
file into pieces, and ``scorer`` scores a piece in each of its processes: raw records in, text out.
"""
