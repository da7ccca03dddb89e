"""New versions in quick succession under a steady load on two workers."""

import time
from pathlib import Path

from models.registry.releases import Releases
from models.registry.store import Repository
from tests.support import bundles
from tests.support.server import running
from tests.support.steady import Steady

SWAPS = 10


def test_ten_swaps_are_noticed_by_nobody(tmp_path: Path) -> None:
    """Every answer is one, states its version, and no connection sees a version go back."""
    root = tmp_path / "models"
    for number in range(SWAPS + 1):
        bundles.publish(root, seed=number % 3, promote=number == 0)
    releases = Releases(Repository(root), tmp_path / "state")
    body = {"model": "htru2", "inputs": bundles.candidates(1).tolist()}
    with running(tmp_path, models=root, state=tmp_path / "state", workers=2) as server:
        server.wait_until_ready()
        with Steady(int(server.address.rpartition(":")[2]), body, rate=100) as steady:
            for version in range(2, SWAPS + 2):
                releases.promote("htru2", version, "cli:test", "the next")
                end = time.monotonic() + 30
                while steady.latest < version:
                    assert time.monotonic() < end, (version, steady.latest, steady.failures)
                    time.sleep(0.02)
        assert steady.failures == []
        assert steady.went_back == []
        assert {version for told in steady.versions for version in told} == set(range(1, SWAPS + 2))
        assert server.errors() == ""
        assert server.stop() == 0
    served = [step.after for step in releases.log.entries() if step.action == "serve"]
    assert served == list(range(1, SWAPS + 2))
