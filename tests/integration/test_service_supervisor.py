"""The supervisor and its signals: workers that hang or cannot be started, a drain, an end at once."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.integration.test_service_workers import gone, wait_until, workers
from tests.support import bundles
from tests.support.server import Server, refused_start, running

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository with one version of the small htru2."""
    root = tmp_path / "repository"
    bundles.publish(root)
    return root


def events(server: Server) -> list[str]:
    """What was logged so far."""
    return [line["event"] for line in server.lines()]


@pytest.mark.parametrize("place", ["", "state"])
def test_a_state_folder_that_cannot_be_made_is_refused(
    repository: Path, tmp_path: Path, place: str
) -> None:
    """SNN_STATE that is a file, or lies in one: one sentence at the start, and status 2."""
    file = tmp_path / "file"
    file.write_text("no folder")
    done = refused_start(tmp_path, models=repository, state=file / place, device="cpu")
    assert (done.returncode, done.stderr) == (2, f"SNN_STATE={file / place}: {file} is not a folder\n")


def test_a_worker_that_hangs_holds_up_nobody_and_is_replaced(repository: Path, tmp_path: Path) -> None:
    """A promotion waits two seconds for it and no longer; after ten it is killed, and another starts."""
    with running(tmp_path, models=repository, workers=2) as server:
        server.wait_until_ready()
        wait_until(lambda: events(server).count("worker serving") == 2)
        hung = workers(server)[2]
        os.kill(hung, signal.SIGSTOP)
        stopped = time.monotonic()
        version = bundles.publish(repository, seed=1)
        server.wait_for_line("model serving", 8, model=f"htru2@{version}", worker=1)
        assert time.monotonic() - stopped < 6
        server.wait_for_line("worker hangs", 20, worker=2)
        assert 9 < time.monotonic() - stopped < 15
        wait_until(lambda: events(server).count("worker serving") == 3)
        assert gone(hung)
        assert server.wait_until_ready().json()["models"]["htru2"]["version"] == str(version)
        assert server.stop() == 0
        assert server.errors() == ""


def test_a_worker_that_cannot_be_started_is_tried_again(repository: Path, tmp_path: Path) -> None:
    """No descriptor is left when a worker dies: the service goes on, and is whole once there is one."""
    with running(tmp_path, models=repository, workers=2) as server:
        server.wait_until_ready()
        wait_until(lambda: events(server).count("worker serving") == 2)
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        os.kill(workers(server)[1], signal.SIGKILL)
        line = server.wait_for_line("worker not started", worker=1)
        assert line["reason"] == "Too many open files"
        time.sleep(1)
        assert server.client.get("/health/live").status_code == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        wait_until(lambda: events(server).count("worker serving") == 3)
        assert server.wait_until_ready().status_code == 200
        assert server.stop() == 0
        assert server.errors() == ""


@pytest.mark.parametrize("count", [1, 2])
def test_a_hangup_drains_and_a_second_signal_ends_at_once(
    repository: Path, tmp_path: Path, count: int
) -> None:
    """SIGHUP is a drain like SIGTERM; a second signal does not wait for it."""
    settings = {"models": repository, "workers": count, "drain_wait_seconds": 60}
    with running(tmp_path, **settings) as server:
        server.wait_until_ready()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_line("draining")
        wait_until(lambda: server.client.get("/health/ready").status_code == 503)
        asked = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
        assert time.monotonic() - asked < 2
        assert all(gone(process) for process in workers(server).values())
        assert server.errors() == ""


@pytest.mark.parametrize("count", [1, 2])
def test_a_hangup_lets_requests_end(repository: Path, tmp_path: Path, count: int) -> None:
    """A terminal that closes costs no answer, and the status is 0."""
    with running(tmp_path, models=repository, workers=count) as server:
        server.wait_until_ready()
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(20) == 0
        assert "stopped" in events(server)


@pytest.mark.parametrize("count", [1, 2])
def test_a_hangup_that_is_ignored_stays_so(repository: Path, tmp_path: Path, count: int) -> None:
    """A service that was started with nohup outlives its terminal."""
    with running(tmp_path, ["nohup"], models=repository, workers=count) as server:
        server.wait_until_ready()
        for process in (server.process.pid, *workers(server).values()):
            os.kill(process, signal.SIGHUP)
        time.sleep(1)
        assert server.client.get("/health/ready").status_code == 200
        assert "draining" not in events(server)
        assert server.stop() == 0
