"""A live baseline over HTTP: who may take one, who sees it, and what outlives what."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.integration.test_service_workers import wait_until
from tests.support import bundles
from tests.support.server import Server, environment, running

pytestmark = pytest.mark.slow

PATH = "/health/activations/htru2"


class Asking:
    """A server's operator: asks by connections of their own, so that both workers answer."""

    def __init__(self, server: Server, keys: dict[str, str]) -> None:
        self.server, self.keys = server, keys

    def ask(self, method: str, path: str, name: str | None = "admin", **options) -> httpx.Response:
        """Ask once, on a new connection."""
        headers = {} if name is None else {"x-api-key": self.keys[name]}
        with httpx.Client(
            verify=False, base_url=self.server.address, timeout=30, headers=headers
        ) as client:
            return client.request(method, path, **options)

    def send(self, rows) -> None:
        """Send candidates, twenty to a request."""
        for start in range(0, len(rows), 20):
            body = {"model": "htru2", "inputs": rows[start : start + 20].tolist()}
            assert self.ask("POST", "/predict", "predict", json=body).status_code == 200

    def documents(self) -> list[dict]:
        """The health document by connections that are open at once, until both workers have told it."""
        found: list[dict] = []
        for _ in range(10):
            before = len(self.answered())
            with ExitStack() as stack:
                headers = {"x-api-key": self.keys["metrics"]}
                address = self.server.address
                clients = [
                    httpx.Client(verify=False, base_url=address, timeout=30, headers=headers)
                    for _ in range(8)
                ]
                made = [stack.enter_context(client).get(PATH).json() for client in clients]
            wait_until(lambda before=before: len(self.answered()) == before + 8)
            found += made
            if len(set(self.answered()[before:])) == 2:
                return found
        raise AssertionError("one worker answered everything")

    def answered(self) -> list[int]:
        """Which worker gave each answer about health so far."""
        route = "/health/activations/{model}"
        return [line["worker"] for line in self.server.lines() if line.get("route") == route]

    def everywhere(self, read: Callable[[dict], object]) -> object:
        """What all workers say, if they agree."""
        said = [read(document) for document in self.documents()]
        assert all(one == said[0] for one in said), said
        return said[0]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A key for each scope, in ``keys.json``."""
    made = {}
    for scope in ("admin", "metrics", "predict"):
        command = [sys.executable, "-m", "service", "keys", "new", scope, "--scope", scope]
        done = subprocess.run(
            command,
            env=environment(api_keys_file=tmp_path / "keys.json"),
            capture_output=True,
            text=True,
            check=True,
        )
        made[scope] = done.stdout.split()[-1]
    return made


def test_a_baseline_is_one_for_all_workers_and_outlives_them(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    """Taken with an admin key, seen by both workers, after a restart, by its version alone.

    A file that was corrupted is named and ignored by both, until the baseline is taken anew.
    """
    repository, state = tmp_path / "repository", tmp_path / "state"
    repository.mkdir()
    bundles.publish(repository)
    bundles.publish(repository, seed=1, promote=False)
    settings = {
        "models": repository, "state": state, "workers": 2, "api_keys_file": tmp_path / "keys.json",
    }  # fmt: skip
    moved = bundles.candidates(1200, seed=3) + bundles.SPREAD
    with running(tmp_path, **settings) as server:
        assert server.wait_until_ready(60).status_code == 200
        operator = Asking(server, keys)
        early = operator.ask("POST", f"{PATH}/baseline")
        assert (early.status_code, "needs 1000 rows" in early.json()["error"]) == (409, True)
        operator.send(moved)
        assert operator.everywhere(lambda told: (told["verdict"], told["baseline"])) == (
            "unhealthy", None,
        )  # fmt: skip
        for name, status in ((None, 401), ("predict", 403), ("metrics", 403)):
            assert operator.ask("POST", f"{PATH}/baseline", name).status_code == status
        taken = operator.ask("POST", f"{PATH}/baseline")
        assert taken.status_code == 201
        baseline = taken.json()["baseline"]
        assert (baseline["rows"], baseline["requests"], baseline["by"]) == (1200, 60, "admin")
        assert operator.everywhere(lambda told: (told["verdict"], told["baseline"])) == (
            "healthy", baseline,
        )  # fmt: skip
        assert server.stop() == 0
    with running(tmp_path, **settings) as server:
        assert server.wait_until_ready(60).status_code == 200
        operator = Asking(server, keys)
        assert operator.everywhere(lambda told: told["baseline"]) == baseline
        operator.send(moved[:600])
        assert operator.everywhere(lambda told: told["verdict"]) == "healthy"

        file = state / "baselines" / "htru2.json"
        content = file.read_bytes()
        file.write_bytes(content.replace(b'"rows":1200', b'"rows":9200'))
        told = operator.everywhere(
            lambda told: (told["verdict"], told["baseline"], told["baseline_error"])
        )
        assert told == (
            "unhealthy", None, "baselines/htru2.json is corrupted and ignored; take the baseline anew",
        )  # fmt: skip
        assert server.client.get("/health/ready").status_code == 200
        operator.send(moved[600:])
        end = time.monotonic() + 10
        while (again := operator.ask("POST", f"{PATH}/baseline")).status_code == 409:
            assert time.monotonic() < end  # the other worker's rows are posted in a moment
            time.sleep(0.1)
        assert again.status_code == 201
        assert operator.everywhere(
            lambda told: (told["verdict"], told["baseline"], told["baseline_error"])
        ) == ("healthy", again.json()["baseline"], None)
        json.loads(file.read_bytes())

        promoted = operator.ask("POST", "/admin/models/htru2/promote", json={"version": 2, "why": "x"})
        assert promoted.status_code == 200
        server.wait_for_line("model serving", model="htru2@2", worker=1)
        server.wait_for_line("model serving", model="htru2@2", worker=2)
        assert operator.everywhere(lambda told: (told["version"], told["baseline"])) == ("2", None)

        assert operator.ask("DELETE", f"{PATH}/baseline", "metrics").status_code == 403
        dropped = operator.ask("DELETE", f"{PATH}/baseline")
        assert dropped.json() == {"dropped": True, "baseline": None}
        assert not file.exists()
        assert server.stop() == 0
        assert server.errors() == ""
