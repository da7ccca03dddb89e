"""What a service of two workers needs at most: it fits the limit that compose sets by default."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import committed
from tests.support.server import ROOT, running

pytestmark = pytest.mark.slow

_GROUPS = Path("/sys/fs/cgroup")


def limit() -> int:
    """Compose's default limit of the service, in MiB."""
    found = re.search(r"SNN_SERVICE_MEMORY:-(\d+)m", (ROOT / "docker-compose.yml").read_text())
    assert found is not None
    return int(found[1])


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with that limit, where this user may make one."""
    first = (_GROUPS / "cgroup.controllers").exists()  # version 2
    group = (_GROUPS if first else _GROUPS / "memory") / f"snn-test-{os.getpid()}"
    file = "memory.max" if first else "memory.limit_in_bytes"
    try:
        group.mkdir()
        (group / file).write_text(str(limit() << 20))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be made here: {error.strerror}")
    yield group
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.05)


@pytest.mark.skipif(not (committed.COMMITTED / "tox21").is_dir(), reason="no bundle is committed")
def test_two_workers_take_up_the_largest_model_within_the_limit(group: Path, tmp_path: Path) -> None:
    """Both committed models serve, and versions of the large one follow each other: nobody is killed."""
    repository = committed.copy("tox21", tmp_path / "models")
    committed.copy("htru2", repository.root)
    enter = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
    with running(tmp_path, enter, models=repository.root, workers=2) as server:
        assert server.wait_until_ready(90).status_code == 200
        for _ in range(2):
            version = committed.publish_again(repository, "tox21")
            repository.promote("tox21", version)
            for worker in (1, 2):
                server.wait_for_line("model serving", 60, model=f"tox21@{version}", worker=worker)
        body = {"smiles": ["CCO", "c1ccccc1O"]}
        assert server.client.post("/predict", json=body).json()["model_info"]["version"] == str(version)
        assert "worker died" not in [line["event"] for line in server.lines()]
        assert server.errors() == ""
