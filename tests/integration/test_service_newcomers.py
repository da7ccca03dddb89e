"""What appears in the repository of a service that runs, and what vanishes from it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models.registry.store import Repository
from tests.integration.test_service_workers import workers
from tests.support import bundles
from tests.support.server import ROOT, Server, environment, running

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository with one version of the small htru2."""
    root = tmp_path / "repository"
    bundles.publish(root)
    return root


@pytest.fixture(params=[1, 2])
def server(repository: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A service that is ready, of one worker and of two."""
    with running(tmp_path, models=repository, workers=request.param) as server:
        assert server.wait_until_ready().status_code == 200
        yield server


def command(*arguments: str, **settings: object) -> str:
    """Run a command of the service, which must succeed; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=environment(**settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def models(server: Server) -> dict:
    """What readiness says of each model; the service is ready."""
    answer = httpx.get(f"{server.address}/health/ready", timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["models"]


def until(server: Server, condition) -> None:
    """Wait until readiness says so; the service is ready all the time."""
    end = time.monotonic() + 20
    while not condition(models(server)):
        assert time.monotonic() < end, models(server)
        time.sleep(0.02)


def test_a_newcomer_that_does_not_load_is_reported_and_forgotten(
    server: Server, repository: Path
) -> None:
    """A broken model in a live repository is no reason to leave; once mended it serves, and counts."""
    bundles.publish(repository, name="other", promote=False)
    path = repository / "other" / "1" / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    Repository(repository).promote("other", 1)
    until(server, lambda found: "model.onnx has 1000 bytes" in str(found.get("other", {}).get("error")))
    assert not models(server)["other"]["ready"]
    shutil.rmtree(repository / "other")
    until(server, lambda found: set(found) == {"htru2"})
    bundles.publish(repository, name="other", seed=1)
    until(server, lambda found: found.get("other", {}).get("ready"))
    shutil.copytree(repository / "htru2", repository / "copied")
    until(server, lambda found: "it was copied there" in str(found.get("copied", {}).get("error")))
    processes = workers(server)
    if processes:  # what a successor finds at once is no more promised than before
        os.kill(processes[1], signal.SIGKILL)
        end = time.monotonic() + 30
        while [line["event"] for line in server.lines()].count("worker serving") < 3:
            assert time.monotonic() < end
            models(server)
            time.sleep(0.02)
        for _ in range(50):
            assert models(server)["other"]["ready"]
            time.sleep(0.02)
    assert server.errors() == ""


def test_strays_are_skipped_with_one_line(server: Server, repository: Path) -> None:
    """Copies under names that no model has, hidden folders, and what was never promoted."""
    for name in ("htru2.bak", ".htru2", "htru2~", "HTRU2", "stats"):
        shutil.copytree(repository / "htru2", repository / name)
    (repository / "unfinished" / "1").mkdir(parents=True)
    (repository / "notes.txt").write_text("no folder")
    for name in ("htru2.bak", ".htru2", "htru2~", "HTRU2", "stats", "unfinished"):
        server.wait_for_line("folder skipped", folder=name)
    time.sleep(1)
    assert set(models(server)) == {"htru2"}
    assert [line["event"] for line in server.lines()].count("folder skipped") == 6


def test_a_model_is_retired(repository: Path, tmp_path: Path) -> None:
    """One whose folder was taken away, and one that is still promoted; the log tells of both."""
    bundles.publish(repository, name="other", seed=1)
    keys = tmp_path / "keys.json"
    scopes = [word for scope in ("admin", "predict", "metrics") for word in ("--scope", scope)]
    key = command("keys", "new", "operator", *scopes, api_keys_file=keys)
    settings = {"models": repository, "workers": 2, "api_keys_file": keys, "state": tmp_path / "state"}
    with running(tmp_path, **settings) as server:
        server.wait_until_ready()
        server.client.headers["authorization"] = f"Bearer {key}"
        shutil.move(repository / "other", tmp_path / "away")
        until(server, lambda found: "no longer promoted" in str(found["other"]["error"]))
        metrics = server.client.get("/metrics").text
        assert 'snn_model_vanished{model="other"} 1.0' in metrics
        assert 'snn_model_refused{model="other"} 0.0' in metrics
        body = {"model": "other", "inputs": bundles.candidates(1).tolist()}
        assert server.client.post("/predict", json=body).status_code == 200
        retired = command("models", "retire", "other", "--url", server.address, api_key=key)
        assert retired == "other: retired"
        assert set(models(server)) == {"htru2"}
        assert server.client.post("/predict", json=body).status_code == 404
        answer = server.client.post("/admin/models/other/retire")
        assert answer.status_code == 404
        shutil.move(tmp_path / "away", repository / "other")
        until(server, lambda found: found.get("other", {}).get("ready"))
        assert server.client.post("/admin/models/other/retire", json={"why": "old"}).status_code == 200
        assert set(models(server)) == {"htru2"}
        time.sleep(0.5)
        assert set(models(server)) == {"htru2"}
        log = server.client.get("/admin/log?model=other").json()["entries"]
        assert [entry["action"] for entry in log].count("retire") == 2
        last = [entry for entry in log if entry["action"] == "retire"][-1]
        assert (last["why"], last["before"], last["after"]) == ("old", 1, None)
        Repository(repository).promote("other", 1)
        until(server, lambda found: found.get("other", {}).get("ready"))
        assert server.errors() == ""


def test_an_only_model_that_is_unloaded_is_nothing_to_be_ready_with(
    repository: Path, tmp_path: Path
) -> None:
    """A service that can answer nothing says so."""
    with running(tmp_path, models=repository, repository_control=True) as server:
        server.wait_until_ready()
        assert server.client.post("/v2/repository/models/htru2/unload").status_code == 200
        answer = server.client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["error"] == "no model can answer"
        assert server.client.post("/v2/repository/models/htru2/load").status_code == 200
        assert server.client.get("/health/ready").status_code == 200
