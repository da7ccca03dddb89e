"""What holds for every test."""

import os
from collections.abc import Iterator
from importlib import import_module

# One thread a process: tests run beside each other, and threads that wait for cores take their time.
# The variables are read when the libraries load, and by every process that a test starts.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from xdist.remote import Producer  # noqa: E402
from xdist.scheduler import LoadFileScheduling  # noqa: E402

_CHAOS = "tests/chaos/"

# Examples are counted, not timed: a deadline fails on a busy machine and says nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


class _Files(LoadFileScheduling):
    """A file goes to one worker whole; so does the folder whose tests share one server."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _CHAOS if file.startswith(_CHAOS) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Schedule ``--dist loadfile`` as above."""
    return _Files(config, log) if config.getvalue("dist") == "loadfile" else None


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


@pytest.fixture(scope="module")
def one_process() -> Iterator[None]:
    """Let training fit its networks in this process: each other one imports torch for seconds.

    The pools themselves are gone through by the runs of test_run and by a search's first trials.
    """
    from tests.support.executor import ThisProcess

    with pytest.MonkeyPatch.context() as patch:
        for module in (
            "training.networks.ensemble",
            "training.pipeline.search",
            "training.benchmarks.health.run",
        ):
            patch.setattr(import_module(module), "ProcessPoolExecutor", ThisProcess)
        yield
