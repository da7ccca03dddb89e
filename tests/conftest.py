"""What holds for every test."""

import os

# One thread a process: tests run beside each other, and threads that wait for cores take their time.
# The variables are read when the libraries load, and by every process that a test starts.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# Examples are counted, not timed: a deadline fails on a busy machine and says nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, so that no worker begins one while the others are done.

    Those are the files with a time limit of their own, then those with slow tests.
    """
    rank: dict[str, int] = {}
    for item in items:
        own = 0 if item.get_closest_marker("timeout") else 1 if item.get_closest_marker("slow") else 2
        file = item.nodeid.partition("::")[0]
        rank[file] = min(own, rank.get(file, own))
    items.sort(key=lambda item: rank[item.nodeid.partition("::")[0]])
