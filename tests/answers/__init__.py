"""Whether two checkouts answer alike: recorded requests and commands, compared byte for byte.

``python -m tests.answers OLD NEW`` starts the service of each checkout, sends both the same requests in
the same order, runs the same commands, and shows each difference. It speaks HTTP and command lines
alone, so that it outlives every renaming inside.
"""
