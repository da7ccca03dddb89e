"""``python -m service``: start the server."""

import os

# The service's matrix products are small: a second thread costs more to wake than it computes, and
# takes a core from another worker. Read by OpenBLAS when numpy is loaded, so it comes first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from service.cli.main import cli

if __name__ == "__main__":
    cli()
