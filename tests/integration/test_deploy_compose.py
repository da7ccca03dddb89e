"""The images and docker-compose.yml on a real engine: ``make container-test``.

One story in the order of the file: build, start, ask, look at the confinement, retrain, see the
new version, take it down. It needs minutes and a Docker engine, so it waits to be asked for.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.registry.store import Repository

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = Repository(ROOT / "models" / "repository")

CANDIDATE = {
    "profile_mean": 99.4,
    "profile_stdev": 41.6,
    "profile_skewness": 1.55,
    "profile_kurtosis": 4.1,
    "dm_mean": 27.6,
    "dm_stdev": 61.7,
    "dm_skewness": 2.2,
    "dm_kurtosis": 3.7,
}
BY_MODEL = {
    "htru2": {"model": "htru2", "inputs": [CANDIDATE]},
    "tox21": {"smiles": ["CCO", "c1ccccc1O"]},
}

IMAGES = ("SERVICE", "TRAINING", "PROMETHEUS", "GRAFANA")
PROFILES = ("--profile", "training", "--profile", "monitoring")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(
        not os.environ.get("SNN_TEST_CONTAINERS"), reason="builds images: run `make container-test`"
    ),
]


class Stack:
    """One compose project of its own name, ports and volumes."""

    def __init__(self, port: int, prometheus: int, grafana: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SNN_")},
            "COMPOSE_PROJECT_NAME": f"snn-serving-test-{os.getpid()}",
            "SNN_HOST": "127.0.0.1",
            "SNN_PORT": str(port),
            "SNN_SERVICE_MEMORY": "768m",
            "SNN_PROMETHEUS_PORT": str(prometheus),
            "SNN_GRAFANA_PORT": str(grafana),
        }
        if "SNN_DATA_DIR" in os.environ:
            self.environment["SNN_DATA_DIR"] = os.environ["SNN_DATA_DIR"]

    def compose(self, *arguments: str) -> str:
        """Run docker compose; a failure shows what it said."""
        return self._run("docker", "compose", *arguments)

    def configuration(self, *overrides: str) -> dict[str, Any]:
        """All profiles as compose understands them, with override files on top."""
        files = [part for file in ("docker-compose.yml", *overrides) for part in ("-f", file)]
        text = self.compose(*files, *PROFILES, "config", "--format", "json")
        document: dict[str, Any] = json.loads(text)
        return document

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        document: dict[str, Any] = json.loads(self._run("docker", "inspect", container))[0]
        return document

    def inside(self, *command: str) -> str:
        """Run a command in the service's container."""
        return self.compose("exec", "-T", "service", *command)

    def readiness(self) -> dict[str, Any]:
        """The document of /health/ready."""
        document: dict[str, Any] = httpx.get(f"{self.url}/health/ready", timeout=10).json()
        return document

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        assert done.returncode == 0, f"{' '.join(command)}:\n{said}"
        return done.stdout


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The service, built and brought up as `docker compose up` does it; taken down with its volumes."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        stack = Stack(*(one.getsockname()[1] for one in sockets))
    stack.compose("build")
    try:
        try:
            stack.compose("up", "--detach", "--wait", "--wait-timeout", "120")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{stack.compose('logs', '--tail', '100')}") from None
        yield stack
    finally:
        stack.compose(*PROFILES, "down", "--volumes", "--timeout", "30")


def test_the_files_are_valid(stack: Stack) -> None:
    """Compose understands the file, and the file with the GPU's on top."""
    plain = stack.configuration()
    gpu = stack.configuration("deploy/compose.gpu.yml")["services"]["service"]
    assert "devices" not in plain["services"]["service"]["deploy"]["resources"].get("reservations", {})
    assert gpu["build"]["args"]["EXTRAS"] == "gpu"
    assert gpu["build"]["target"] == "service"
    assert gpu["environment"]["SNN_DEVICE"] == "cuda"
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_keys_come_from_a_folder_of_secrets(stack: Stack, tmp_path: Path) -> None:
    """The service reads the hashes there, and Prometheus its key, with a configuration that says so."""
    stack.environment["SNN_SECRETS"] = str(tmp_path)
    services = stack.configuration("deploy/compose.keys.yml")["services"]
    del stack.environment["SNN_SECRETS"]
    assert services["service"]["environment"]["SNN_API_KEYS_FILE"] == "/run/snn/api-keys.json"
    mounts = {mount["target"]: mount for mount in services["service"]["volumes"]}
    assert mounts["/run/snn"]["source"] == str(tmp_path)
    assert mounts["/run/snn"]["read_only"] is True
    assert [secret["source"] for secret in services["prometheus"]["secrets"]] == ["metrics-key"]
    mounts = {mount["target"]: mount for mount in services["prometheus"]["volumes"]}
    assert mounts["/etc/prometheus/prometheus.yml"]["source"].endswith("/prometheus.keys.yml")


def test_everything_that_runs_is_confined_and_can_be_replaced(stack: Stack) -> None:
    """In every profile: another image by a variable, limits, loopback alone, health, no privileges."""
    images = {f"SNN_{name}_IMAGE": f"other/{name.lower()}:1" for name in IMAGES}
    stack.environment |= images
    services = stack.configuration()["services"]
    for name in images:
        del stack.environment[name]
    assert {service["image"] for service in services.values()} == set(images.values())
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
    for name in ("prometheus", "grafana"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"
        for mount in services[name]["volumes"]:
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists()
                assert mount["read_only"] is True


@pytest.mark.parametrize("model", sorted(BY_MODEL))
def test_it_answers_with_the_committed_version(stack: Stack, model: str) -> None:
    """A molecule and a candidate get probabilities, from the version that the image brought."""
    if model not in COMMITTED.models():
        pytest.skip(f"no bundle of {model} is committed")
    response = httpx.post(f"{stack.url}/predict", json=BY_MODEL[model], timeout=30)
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [result["status"] for result in results] == ["ok"] * len(results)
    assert all(0 <= value <= 1 for result in results for value in result["probability"].values())
    assert stack.readiness()["models"][model]["version"] == str(COMMITTED.serving(model).champion)


def test_the_service_is_confined(stack: Stack) -> None:
    """No root, no capabilities, no new privileges, a read-only root, limits, loopback only."""
    container = stack.inspect("service")
    host = container["HostConfig"]
    assert stack.inside("id", "-u").strip() == "10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] == 768 * 1024 * 1024
    assert host["PidsLimit"] == 512
    (published,) = host["PortBindings"]["8000/tcp"]
    assert published["HostIp"] == "127.0.0.1"
    assert container["State"]["Health"]["Status"] == "healthy"


def test_it_can_write_its_state_and_nothing_else(stack: Stack) -> None:
    """The model repository and the root file system are read-only to the service."""
    probe = (
        "import os, pathlib\n"
        "for folder in ('/app', '/var/lib/snn/models', '/var/lib/snn/state', '/tmp'):\n"
        "    try:\n"
        "        path = pathlib.Path(folder, 'probe'); path.write_text('x'); path.unlink()\n"
        "        print(folder)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    assert stack.inside("python", "-c", probe).split() == ["/var/lib/snn/state", "/tmp"]


def test_the_service_image_holds_no_torch(stack: Stack) -> None:
    """Neither torch nor the training module is there to be imported."""
    probe = "import importlib.util as u; print([u.find_spec(name) for name in ('torch', 'training')])"
    assert stack.inside("python", "-c", probe).strip() == "[None, None]"


def test_prometheus_watches_the_service(stack: Stack) -> None:
    """The monitoring profile's Prometheus comes up confined, scrapes, and works its rules out."""
    stack.compose(*PROFILES, "up", "--detach", "--wait", "--wait-timeout", "120", "prometheus")
    host = stack.inspect("prometheus")["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    end = time.monotonic() + 90
    found: dict[str, str] = {}
    while set(found) != {"up", "snn_model_intact"} and time.monotonic() < end:
        time.sleep(1)
        query = {"query": '{__name__=~"up|snn_model_intact", job="snn-serving"}'}
        answer = httpx.get(f"{stack.prometheus}/api/v1/query", params=query, timeout=10).json()
        found = {sample["metric"]["__name__"]: sample["value"][1] for sample in answer["data"]["result"]}
    assert found == {"up": "1", "snn_model_intact": "1"}
    answer = httpx.get(f"{stack.prometheus}/api/v1/rules", timeout=10).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert sum(rule["type"] == "alerting" for rule in rules) > 10
    assert {rule["lastError"] for rule in rules if "lastError" in rule} <= {""}


def test_a_retrained_model_is_taken_up_without_a_restart(stack: Stack) -> None:
    """Training publishes into the shared volume; the running service answers with the new version."""
    if "SNN_DATA_DIR" not in os.environ:
        pytest.skip("SNN_DATA_DIR is not set: no data to train on")
    before = stack.inspect("service")["State"]["StartedAt"]
    stack.compose("--profile", "training", "build", "training")
    stack.compose("run", "--rm", "-T", "training", "train", "htru2")
    expected = str(COMMITTED.versions("htru2")[-1] + 1)
    deadline = time.monotonic() + 60
    while stack.readiness()["models"]["htru2"]["version"] != expected and time.monotonic() < deadline:
        time.sleep(0.5)
    answer = httpx.post(f"{stack.url}/predict", json=BY_MODEL["htru2"], timeout=30).json()
    assert answer["version"] == expected
    assert answer["results"][0]["status"] == "ok"
    assert stack.inspect("service")["State"]["StartedAt"] == before


def test_a_restart_keeps_what_was_trained(stack: Stack) -> None:
    """Seeding again on the next start leaves the volume's champion as it is."""
    serving = stack.readiness()["models"]
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "120", "--force-recreate")
    assert {name: state["version"] for name, state in stack.readiness()["models"].items()} == {
        name: state["version"] for name, state in serving.items()
    }


def test_stopping_is_clean(stack: Stack) -> None:
    """On a stop the service drains and ends by itself, before the engine kills it."""
    stack.compose("stop", "service")
    assert stack.inspect("service")["State"]["ExitCode"] == 0
