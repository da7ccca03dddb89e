"""Several workers as real processes: one answer whoever gives it, deaths, reloads, the end."""

import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from models.registry.store import Repository
from tests.support import bundles
from tests.support.server import Server, running

pytestmark = pytest.mark.slow

BODY = {"model": "htru2", "inputs": bundles.candidates(4).tolist()}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository with one version of the small htru2."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)
    return root


@pytest.fixture
def server(repository: Path, tmp_path: Path) -> Iterator[Server]:
    """A service of two workers that is ready."""
    with running(tmp_path, models=repository, workers=2) as server:
        assert server.wait_until_ready().status_code == 200
        yield server


def workers(server: Server) -> dict[int, int]:
    """The process of each worker, by its number, as the log tells."""
    return {
        line["worker"]: line["process"] for line in server.lines() if line["event"] == "worker begins"
    }


def shared_folder(server: Server) -> Path:
    """The folder through which the workers exchange their statuses."""
    arguments = Path(f"/proc/{next(iter(workers(server).values()))}/cmdline").read_text()
    folder = re.search(r'"folder":"([^"]+)"', arguments)
    assert folder is not None
    return Path(folder[1])


def gone(process: int) -> bool:
    """Whether a process has ended, be it that nobody has looked after it yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, seconds: float = 20) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class Client(threading.Thread):
    """A keep-alive connection that posts again and again, and makes a new one when it is lost."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        #: Per connection, the versions that it was answered with, in order.
        self.seen: list[list[int]] = []
        self.statuses: Counter[int] = Counter()
        self.lost: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        """Post until told to stop."""
        while not self.stopping.is_set():
            versions: list[int] = []
            self.seen.append(versions)
            with httpx.Client(verify=False, base_url=self.server.address, timeout=20) as client:
                try:
                    while not self.stopping.is_set():
                        answer = client.post("/predict", json=BODY)
                        self.statuses[answer.status_code] += 1
                        if answer.status_code == 200:
                            versions.append(int(answer.json()["version"]))
                except httpx.TransportError as error:
                    self.lost.append(repr(error))


class Load:
    """Several clients at once, and what they met."""

    def __init__(self, server: Server, count: int) -> None:
        self.clients = [Client(server) for _ in range(count)]

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return sum((client.statuses for client in self.clients), Counter())

    @property
    def lost(self) -> list[str]:
        """Requests that nobody answered."""
        return [error for client in self.clients for error in client.lost]

    @property
    def seen(self) -> list[list[int]]:
        """Versions by connection."""
        return [versions for client in self.clients for versions in client.seen]


@contextmanager
def loaded(server: Server, count: int) -> Iterator[Load]:
    """Load a server with so many clients."""
    load = Load(server, count)
    for client in load.clients:
        client.start()
    try:
        yield load
    finally:
        for client in load.clients:
            client.stopping.set()
        for client in load.clients:
            client.join(30)
            assert not client.is_alive()


def counters(text: str) -> dict[str, float]:
    """All samples that must not fall."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if re.match(r"[a-z_]+(_total|_count|_sum|_bucket)\b", name):
            found[name] = float(value)
    return found


def fallen(before: dict[str, float], after: dict[str, float]) -> dict[str, tuple[float, float | None]]:
    """The counters that fell, or are missing."""
    return {
        name: (value, after.get(name))
        for name, value in before.items()
        if name not in after or after[name] < value
    }


def by_worker(server: Server, route: str = "/predict") -> Counter[int]:
    """How many requests of a route each worker has logged."""
    lines = [line for line in server.lines() if line["event"] == "request" and line["route"] == route]
    return Counter(line["worker"] for line in lines)


def test_connections_spread_over_the_workers(server: Server) -> None:
    """Few or many lasting connections, opened at once: each worker gets its share."""
    before: Counter[int] = Counter()
    for connections in (2, 8, 40):
        with ExitStack() as stack:
            clients = [
                stack.enter_context(httpx.Client(verify=False, base_url=server.address, timeout=20))
                for _ in range(connections - 1)
            ]
            # The connection that asked for readiness is one of them.
            threads = [
                threading.Thread(target=client.post, args=["/predict"], kwargs={"json": BODY})
                for client in [server.client, *clients]
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wanted = before.total() + connections
            wait_until(lambda wanted=wanted: by_worker(server).total() == wanted)
        shares = by_worker(server)
        for worker in (1, 2):
            # Half of them each on an idle machine; one that is late leaves some to the other.
            assert shares[worker] - before[worker] >= max(1, connections // 4)
        before = shares
        time.sleep(0.1)  # until the ends of these connections have been noticed


def test_metrics_and_health_are_the_same_whoever_answers_and_never_fall(server: Server) -> None:
    """Under load, scraped by connections to both workers in turn; afterwards all agree exactly."""
    scrapers = [httpx.Client(verify=False, base_url=server.address, timeout=20) for _ in range(6)]
    before: dict[str, float] = {}
    with loaded(server, 4) as load:
        for turn in range(40):
            text = scrapers[turn % 6].get("/metrics").text
            now = counters(text)
            assert fallen(before, now) == {}
            before = now
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert len(by_worker(server, "/metrics")) == 2
    time.sleep(0.6)
    answered = load.statuses.total()
    for scraper in scrapers:
        now = counters(scraper.get("/metrics").text)
        assert now['snn_requests_total{route="/predict",status="200"}'] == answered
        assert now['snn_rows_total{model="htru2",version="1"}'] == 4 * answered
        assert now['snn_activation_rows_total{model="htru2",version="1"}'] == 4 * answered
    health = [scraper.get("/health/activations/htru2").json() for scraper in scrapers]
    assert health[0]["windows"]["start"]["rows"] == 4 * answered
    for other in health[1:]:
        for field in ("verdict", "since", "integrity", "windows"):
            assert other[field] == health[0][field]
    ready = [scraper.get("/health/ready").json() for scraper in scrapers]
    assert all(other == ready[0] for other in ready)
    for scraper in scrapers:
        scraper.close()


def test_unhealthy_traffic_shows_whoever_answers(server: Server) -> None:
    """Scaled inputs that one worker met turn the verdict of all, since the same moment."""
    with httpx.Client(verify=False, base_url=server.address) as one:
        rows = (3 * bundles.candidates(300)).tolist()
        assert one.post("/predict", json={"model": "htru2", "inputs": rows}).status_code == 200
        time.sleep(0.6)
        others = [httpx.Client(verify=False, base_url=server.address) for _ in range(4)]
        documents = [other.get("/health/activations/htru2").json() for other in (one, *others)]
        for other in others:
            other.close()
    route = "/health/activations/{model}"
    wait_until(lambda: by_worker(server, route).total() == 5)
    assert len(by_worker(server, route)) == 2
    assert {document["verdict"] for document in documents} == {"unhealthy"}
    assert {document["origin"] for document in documents} == {"input"}
    assert len({document["since"] for document in documents}) == 1
    assert [line["event"] for line in server.lines()].count("verdict") == 1
    assert server.client.get("/health/ready").status_code == 200


def test_a_killed_worker_costs_its_own_requests_and_is_replaced(server: Server) -> None:
    """Of keep-alive clients those of the dead worker lose one request each; counters never fall."""
    before_death = workers(server)
    with loaded(server, 8) as load:
        time.sleep(1)
        counted = counters(server.client.get("/metrics").text)
        os.kill(before_death[2], signal.SIGKILL)
        scrapes, end = 0, time.monotonic() + 20
        while time.monotonic() < end:
            with httpx.Client(verify=False, base_url=server.address, timeout=20) as scraper:
                try:
                    now = counters(scraper.get("/metrics").text)
                except httpx.TransportError:
                    continue  # it was connected to the one that died
            assert fallen(counted, now) == {}
            counted, scrapes = now, scrapes + 1
            served = [line for line in server.lines() if line["event"] == "worker serving"]
            if len(served) == 3:
                break
        time.sleep(1)
    assert scrapes > 3
    assert set(load.statuses) == {200}
    assert 1 <= len(load.lost) <= 5
    after = workers(server)
    assert after[1] == before_death[1]
    assert after[2] != before_death[2]
    time.sleep(0.6)
    ready = server.client.get("/health/ready")
    assert ready.status_code == 200
    now = counters(server.client.get("/metrics").text)
    assert now["snn_worker_restarts_total"] == 1
    # What was answered in its last half second without having been told to anybody is lost with it.
    total = now['snn_requests_total{route="/predict",status="200"}']
    assert load.statuses.total() * 0.7 < total <= load.statuses.total()


def test_all_workers_change_versions_without_a_failed_request(server: Server, repository: Path) -> None:
    """Promotions and a rollback under load: no request fails, no connection sees a version go back."""
    with loaded(server, 8) as load:
        for seed in (1, 2):
            time.sleep(0.3)
            version = bundles.publish(repository, seed=seed)
            for worker in (1, 2):
                server.wait_for_line("model serving", model=f"htru2@{version}", worker=worker)
        time.sleep(0.3)
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert all(versions == sorted(versions) for versions in load.seen)
    assert {version for versions in load.seen for version in versions} == {1, 2, 3}
    flips = [line for line in server.lines() if line.get("model") == "htru2@3" and "replaces" in line]
    assert len(flips) == 2
    Repository(repository).roll_back("htru2")
    wait_until(lambda: server.client.get("/health/ready").json()["models"]["htru2"]["version"] == "2")


def test_a_successor_serves_what_the_others_do_while_the_promoted_version_is_refused(
    server: Server, repository: Path
) -> None:
    """A broken version keeps all on the old one, also a worker that was started after it came."""
    version = bundles.publish(repository, seed=1, promote=False)
    path = repository / "htru2" / str(version) / "model.onnx"
    path.write_bytes(path.read_bytes()[:1000])
    Repository(repository).promote("htru2", version)
    server.wait_for_line("model refused")
    state = server.client.get("/health/ready").json()["models"]["htru2"]
    assert re.match("(worker [12]: )?version 2 was refused: model.onnx has 1000 bytes", state["error"])
    os.kill(workers(server)[1], signal.SIGKILL)
    wait_until(lambda: [line["event"] for line in server.lines()].count("worker serving") == 3)
    with ExitStack() as stack:
        for _ in range(6):
            client = stack.enter_context(httpx.Client(verify=False, base_url=server.address))
            ready = client.get("/health/ready")
            assert ready.status_code == 200
            state = ready.json()["models"]["htru2"]
            assert state["version"] == "1"
            assert "version 2 was refused: model.onnx has 1000 bytes" in state["error"]
            assert client.post("/predict", json=BODY).json()["version"] == "1"
        wait_until(lambda: by_worker(server).total() == 6)
    assert len(by_worker(server)) == 2


def test_it_drains_and_stops_with_status_0(repository: Path, tmp_path: Path) -> None:
    """After SIGTERM all say that they are not ready and answer until the end; nothing is left."""
    with running(tmp_path, models=repository, workers=2, drain_wait_seconds=1) as server:
        server.wait_until_ready()
        others = [httpx.Client(verify=False, base_url=server.address) for _ in range(4)]
        for other in others:
            assert other.get("/health/ready").status_code == 200
        with loaded(server, 4) as load:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            server.wait_for_line("draining")
            for other in others:
                assert other.get("/health/ready").status_code == 503
                assert other.post("/predict", json=BODY).status_code == 200
        for other in others:
            other.close()
        assert server.process.wait(20) == 0
        assert load.lost == []
        assert set(load.statuses) == {200}
        assert all(gone(process) for process in workers(server).values())
        assert server.errors() == ""
        assert [line["event"] for line in server.lines()].count("stopped") == 3


def test_a_shared_folder_that_is_wiped_or_unusable_stops_nothing(server: Server) -> None:
    """Readiness, metrics, verdicts and deaths of workers do not need it; it comes back by itself."""
    folder = shared_folder(server)

    def check() -> None:
        for _ in range(6):
            with httpx.Client(base_url=server.address, timeout=20) as client:
                ready = client.get("/health/ready")
                assert ready.status_code == 200, ready.text
                assert client.get("/health/activations/htru2").status_code == 200
                text = client.get("/metrics").text
                assert counters(text)["snn_worker_restarts_total"] == restarts
                assert client.post("/predict", json=BODY).status_code == 200

    def wipe() -> None:
        """Take the folder away at once, though the workers write to it."""
        gone = folder.with_name(f"{folder.name}-gone")
        folder.rename(gone)
        shutil.rmtree(gone)

    restarts = 0
    time.sleep(0.6)  # each worker looks at the others' statuses four times a second
    wipe()
    check()
    wait_until(lambda: {file.name for file in folder.iterdir()} >= {"roster", "worker-1", "worker-2"})
    wipe()
    os.kill(workers(server)[1], signal.SIGKILL)
    restarts = 1
    wait_until(lambda: [line["event"] for line in server.lines()].count("worker serving") == 3)
    check()
    while not folder.is_file():
        wipe()
        with suppress(IsADirectoryError):  # a worker was faster
            folder.write_text("no folder can be made here")
    failing = "shared store cannot be written; going on from memory"
    for worker in (1, 2):
        server.wait_for_line(failing, worker=worker)
    time.sleep(1)
    for _ in range(6):
        with httpx.Client(base_url=server.address, timeout=20) as client:
            assert client.get("/health/ready").status_code == 200
            assert client.get("/metrics").status_code == 200
    folder.unlink()
    wait_until((folder / "roster").exists)
    check()
    lines = [(line["event"], line.get("worker")) for line in server.lines()]
    assert all(lines.count((failing, worker)) <= 1 for worker in (None, 1, 2))
    assert server.stop() == 0
    assert server.errors() == ""
    assert not folder.exists()


def test_workers_end_when_the_supervisor_is_killed(server: Server) -> None:
    """Without it they finish what they have, remove what it would have removed, and end."""
    processes, folder = workers(server).values(), shared_folder(server)
    assert folder.is_dir()
    server.process.kill()
    wait_until(lambda: all(gone(process) for process in processes))
    wait_until(lambda: not folder.exists())


def test_workers_that_cannot_start_end_the_service_with_their_reason(
    repository: Path, tmp_path: Path
) -> None:
    """A device that does not work is told once, on one line, with status 2."""
    with (
        pytest.raises(AssertionError),
        running(tmp_path, models=repository, workers=2, device="cuda") as server,
    ):
        server.wait_for_line("never", seconds=30)
    errors = (tmp_path / "stderr.log").read_text()
    assert errors.startswith("SNN_DEVICE=cuda: CUDA does not work here: ")
    assert errors.count("\n") == 1
