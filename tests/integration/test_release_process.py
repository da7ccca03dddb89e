"""Releases on a real service of two workers: what is bad is refused or taken back, as the log says."""

import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from models.registry.release_log import Entry, ReleaseLog
from models.registry.releases import Releases
from models.registry.store import Repository
from tests.support import bundles
from tests.support.server import Server, environment, running

#: Other rows each time: the same few over and over are not what clean traffic looks like.
BODIES = [{"model": "htru2", "inputs": bundles.candidates(16, seed=seed).tolist()} for seed in range(64)]


class Asking:
    """A client that goes on asking; notes each answer's version, and what was no answer."""

    def __init__(self, server: Server) -> None:
        self.versions: list[int] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._address = server.address
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Asking":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        bodies = itertools.cycle(BODIES)
        with httpx.Client(verify=False, base_url=self._address, timeout=30) as client:
            while not self._stop.is_set():
                answer = client.post("/predict", json=next(bodies))
                if answer.status_code == 200:
                    self.versions.append(int(answer.json()["version"]))
                else:
                    self.failures.append(answer.text)
                time.sleep(0.01)


def wait_for(log: ReleaseLog, action: str, after: int | None, seconds: float = 60) -> Entry:
    """Wait for a step in the release log."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for step in log.entries():
            if (step.action, step.after) == (action, after):
                return step
        time.sleep(0.1)
    raise AssertionError(f"no {action} → {after}: {[(s.action, s.after) for s in log.entries()]}")


@pytest.mark.slow
def test_an_altered_bundle_is_refused_and_an_ill_one_taken_back(tmp_path: Path) -> None:
    """The champion answers everything meanwhile, and the release log tells the whole story."""
    root, state = tmp_path / "models", tmp_path / "state"
    bundles.publish(root)
    releases = Releases(Repository(root), state)
    with running(tmp_path, models=root, state=state, workers=2) as server:
        server.wait_until_ready()
        with Asking(server) as asking:
            server.wait_for_line("verdict", 60, verdict="healthy", model="htru2@1")
            time.sleep(3)  # the guardian looks once a second, and remembers what it saw last

            # Promoted whole, altered before it is loaded: as if by somebody with the folder.
            altered = bundles.publish(root, seed=1, promote=False)
            path = releases.repository.bundle("htru2", altered) / "model.onnx"
            content = path.read_bytes()
            path.write_bytes(content[:-9] + bytes([content[-9] ^ 4]) + content[-8:])
            releases.repository.promote("htru2", altered)
            refused = wait_for(releases.log, "refuse", altered)
            assert "model.onnx was altered" in refused.why
            assert refused.before == 1
            releases.roll_back("htru2", "cli:test", "it was altered")

            ill = bundles.publish(root, ill=3.0, promote=False)
            releases.promote("htru2", ill, "cli:test", "looks fine")
            promoted = time.monotonic()
            wait_for(releases.log, "serve", ill)
            rolled = wait_for(releases.log, "rollback", 1, 90)
            while rolled.before != ill:
                rolled = [step for step in releases.log.entries() if step.action == "rollback"][-1]
            assert time.monotonic() - promoted < 60
            assert rolled.by == "service"
            assert "unhealthy where those of version 1 were healthy" in rolled.why
            server.wait_for_line("model serving", model="htru2@1", replaces=f"htru2@{ill}")
            time.sleep(0.5)
        assert asking.failures == []
        assert set(asking.versions) == {1, ill}
        assert asking.versions[-1] == 1
        assert Repository(root).serving("htru2").champion == 1
        assert server.errors() == ""
        assert server.stop() == 0
    story = [(step.action, step.before, step.after) for step in releases.log.entries()]
    assert story == [
        ("serve", None, 1),
        ("refuse", 1, altered),
        ("rollback", altered, 1),
        ("promote", 1, ill),
        ("serve", 1, ill),
        ("rollback", ill, 1),
        ("serve", ill, 1),
    ]


@pytest.mark.slow
def test_a_shift_of_traffic_takes_no_promotion_back(tmp_path: Path) -> None:
    """The same network as version 2, then rows that lie apart: reported, and left to operators."""
    root, state = tmp_path / "models", tmp_path / "state"
    bundles.publish(root)
    releases = Releases(Repository(root), state)
    with running(tmp_path, models=root, state=state, workers=2) as server:
        server.wait_until_ready()
        with Asking(server):
            server.wait_for_line("verdict", 60, verdict="healthy", model="htru2@1")
            time.sleep(1.5)  # the automatic rollback looks once a second
            same = bundles.publish(root, promote=False)
            releases.promote("htru2", same, "cli:test", "the same again")
            server.wait_for_line("model serving", model=f"htru2@{same}")
        end, seed = time.monotonic() + 30, 0
        while not [line for line in server.lines() if line.get("verdict") == "unhealthy"]:
            assert time.monotonic() < end
            for _ in range(20):
                seed += 1
                apart = (bundles.candidates(4, seed=seed) + 3 * bundles.SPREAD).tolist()
                row = {"model": "htru2", "inputs": apart}
                assert server.client.post("/predict", json=row).json()["version"] == str(same)
        time.sleep(3)
        assert server.client.post("/predict", json=row).json()["version"] == str(same)
        assert "rolled back" not in [line["event"] for line in server.lines()]
        assert releases.serving("htru2").champion == same
        # What an operator takes back goes where the operator says.
        releases.roll_back("htru2", "cli:test", "by hand")
        server.wait_for_line("model serving", model="htru2@1", replaces=f"htru2@{same}")


@pytest.mark.slow
def test_keys_and_administration_on_two_workers(tmp_path: Path) -> None:
    """A promotion by key is served by both; no log line holds a key."""
    root, keys = tmp_path / "models", tmp_path / "keys.json"
    bundles.publish(root)
    bundles.publish(root, seed=1, promote=False)

    def new(name: str, scope: str) -> str:
        command = [sys.executable, "-m", "service", "keys", "new", name, "--scope", scope]
        done = subprocess.run(
            command,
            env=environment(api_keys_file=keys),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    operator, user = new("operator", "admin"), new("user", "predict")
    settings = {"models": root, "state": tmp_path / "state", "workers": 2, "api_keys_file": keys}
    with running(tmp_path, **settings) as server:
        server.wait_until_ready()
        ask = {"authorization": f"Bearer {user}"}
        assert server.client.post("/predict", json=BODIES[0]).status_code == 401
        assert server.client.post("/predict", json=BODIES[0], headers=ask).json()["version"] == "1"
        path = "/admin/models/htru2/promote"
        assert server.client.post(path, json={"version": 2}, headers=ask).status_code == 403
        done = server.client.post(
            path, json={"version": 2}, headers={"authorization": f"Bearer {operator}"}
        )
        assert done.status_code == 200, done.text
        server.wait_for_line("model serving", model="htru2@2", worker=1)
        server.wait_for_line("model serving", model="htru2@2", worker=2)
        assert server.client.post("/predict", json=BODIES[0], headers=ask).json()["version"] == "2"
        later = new("later", "predict")
        end = time.monotonic() + 10
        ask_later = {"x-api-key": later}
        while server.client.post("/predict", json=BODIES[0], headers=ask_later).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert server.stop() == 0
        named = {line["key"] for line in server.lines() if "key" in line}
        assert {"operator", "user", "later"} <= named
        everything = "".join(json.dumps(line) for line in server.lines()) + server.errors()
        for key in (operator, user, later):
            assert key not in everything
            assert key.rpartition("_")[2] not in everything
    steps = ReleaseLog(tmp_path / "state").entries()
    assert ("promote", "key:operator") in [(step.action, step.by) for step in steps]
