"""A model repository in S3: a real S3 server on the loopback, promotions, kills, outages, slow bytes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models.registry.store import Repository
from tests.support import bundles
from tests.support.server import running

obstore = pytest.importorskip("obstore")
pytest.importorskip("moto")

ROW = {"model": "htru2", "inputs": [[1.0] * 8]}
BUCKET = "models"


class Bucket:
    """A bucket of an S3 server, and the folder that is uploaded to it."""

    def __init__(self, port: int, folder: Path) -> None:
        from obstore.store import S3Store

        self.port, self.repository = port, Repository(folder)
        self._store = S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{port}",
            access_key_id="a",
            secret_access_key="b",
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def upload(self, *parts: str) -> None:
        """Upload what the folder has below these parts; a promotion comes last."""
        files = sorted(
            (self.repository.root.joinpath(*parts)).rglob("*"),
            key=lambda each: each.name == "serving.json",
        )
        for file in files:
            if file.is_file() and not file.name.startswith("."):
                name = file.relative_to(self.repository.root).as_posix()
                obstore.put(self._store, f"production/{name}", file.read_bytes())

    def settings(self, monkeypatch: pytest.MonkeyPatch, port: int | None = None) -> dict[str, object]:
        """What a service needs to be served from the bucket, by another port if there is one between."""
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return {"models": f"s3://{BUCKET}/production"}


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    """A server with one bucket, in which version 1 is promoted."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (tmp_path / "s3.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from moto.server import main; main()",
                "-H",
                "127.0.0.1",
                "-p",
                str(port),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(600):
            try:
                httpx.put(f"http://127.0.0.1:{port}/{BUCKET}", headers={"authorization": "AWS a:b"})
                break
            except httpx.TransportError:
                time.sleep(0.05)
        made = Bucket(port, tmp_path / "source")
        bundles.publish(made.repository.root)
        made.upload("htru2")
        yield made
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def versions(client: httpx.Client) -> str:
    """The version that answers."""
    answer = client.post("/predict", json=ROW)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["version"])


def wait_for(client: httpx.Client, version: str, seconds: float = 30) -> float:
    """Ask until a version answers, and return how long it took; every answer on the way is 200."""
    began = time.monotonic()
    while versions(client) != version:
        assert time.monotonic() < began + seconds
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize("workers", [1, 2])
def test_a_promotion_in_the_store_is_served(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Within seconds, without a failed request; an outage of the store and a restart change nothing."""
    settings = bucket.settings(monkeypatch) | {"state": tmp_path / "state", "workers": workers}
    with running(tmp_path, **settings) as server:
        assert server.wait_until_ready().status_code == 200
        assert versions(server.client) == "1"
        bundles.publish(bucket.repository.root, seed=1)
        bucket.upload("htru2", "2")
        bucket.upload("htru2")
        assert wait_for(server.client, "2") < 10
        assert server.stop() == 0
        assert server.errors() == ""
    gone = bucket.settings(monkeypatch, port=9) | {"state": tmp_path / "state", "workers": workers}
    with running(tmp_path, **gone) as server:
        assert server.wait_until_ready().status_code == 200
        assert versions(server.client) == "2"
        server.wait_for_line("store failed")


class SlowProxy(threading.Thread):
    """Passes bytes to the store, and its answers back a few at a time once it is told to be slow."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port, self._listener = port, socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.slow = threading.Event()

    def run(self) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            for source, sink, throttled in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, sink, throttled), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, throttled: bool) -> None:
        with source, sink:
            try:
                while data := source.recv(512 if throttled and self.slow.is_set() else 65536):
                    sink.sendall(data)
                    if throttled and self.slow.is_set():
                        time.sleep(0.05)
            except OSError:
                return

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()


def test_a_service_that_is_killed_while_it_fetches(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The champion serves on while bytes are slow; after a kill nothing half fetched is opened."""
    proxy = SlowProxy(bucket.port)
    proxy.start()
    settings = bucket.settings(monkeypatch, port=proxy.port) | {"state": tmp_path / "state"}
    mirror = tmp_path / "state" / "mirror" / "htru2"
    with running(tmp_path, **settings) as server:
        assert server.wait_until_ready().status_code == 200
        proxy.slow.set()
        bundles.publish(bucket.repository.root, seed=1)
        bucket.upload("htru2", "2")
        bucket.upload("htru2")
        end = time.monotonic() + 30
        while not any("staging" in path.name for path in mirror.iterdir()):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert versions(server.client) == "1"
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert Repository(mirror.parent).versions("htru2") == [1]
    proxy.slow.clear()
    with running(tmp_path, **settings) as server:
        assert server.wait_until_ready().status_code == 200
        wait_for(server.client, "2")
        assert not [path for path in mirror.iterdir() if "staging" in path.name]
    proxy.close()
    shutil.rmtree(tmp_path / "source")
