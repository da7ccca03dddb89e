"""``snn models pull`` against a real server on the loopback."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import BundleRefused
from models.registry.archive import pack
from models.registry.store import Repository
from service.cli.pull import PullFailed, pull
from tests.support import bundles


class Release(http.server.ThreadingHTTPServer):
    """Serves a folder with ranges; every answer ends after ``most`` bytes of its body."""

    most, ranges = 1 << 30, True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: The paths and ranges that were asked for.
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request of a release."""

    server: Release

    def do_GET(self) -> None:
        """Send a file, or its rest."""
        wanted = self.headers["range"]
        self.server.asked.append((self.path, wanted))
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content, start = path.read_bytes(), 0
        if wanted is not None and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(content) - start))
        self.end_headers()
        most = self.server.most if path.suffix == ".gz" else len(content)
        self.wfile.write(content[start : start + most])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def release(tmp_path: Path, monkeypatch) -> Iterator[Release]:
    """A release of one small model."""
    bundles.publish(tmp_path / "source")
    pack(Repository(tmp_path / "source"), tmp_path / "release")
    with Release(tmp_path / "release") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("SNN_RELEASE_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Repository:
    """A repository without models."""
    (tmp_path / "target").mkdir()
    return Repository(tmp_path / "target")


def fetch(target: Repository, *names: str) -> list[tuple[str, int]]:
    """Pull into the repository."""
    return pull(list(names), target, target.root.parent / "state", lambda _: None)


def test_a_release_is_pulled_once(release: Release, target: Repository) -> None:
    """The version is there and serves; a second pull fetches the index alone, and nothing is left."""
    assert fetch(target) == [("htru2", 1)]
    assert target.serving("htru2").champion == 1
    release.asked.clear()
    assert fetch(target, "htru2") == []
    assert release.asked == [("/bundles.json", None)]
    assert not list((target.root.parent / "state" / "downloads").iterdir())


def test_a_transfer_that_breaks_off_is_gone_on_with(release: Release, target: Repository) -> None:
    """Within one command, and by the next one; what has arrived is not asked for again."""
    release.most = 4000
    with pytest.raises(PullFailed, match="the same command goes on from there"):
        fetch(target)
    release.most = 1 << 30
    assert fetch(target) == [("htru2", 1)]
    starts = [wanted for path, wanted in release.asked if path.endswith(".gz")]
    assert starts == [None, "bytes=4000-", "bytes=8000-", "bytes=12000-"]


def test_a_server_without_ranges_begins_anew(release: Release, target: Repository) -> None:
    """What it sends then is the whole file, and it is not appended."""
    release.most = 4000
    with pytest.raises(PullFailed):
        fetch(target)
    release.most, release.ranges = 1 << 30, False
    assert fetch(target) == [("htru2", 1)]


def test_an_altered_archive_is_not_kept(release: Release, target: Repository) -> None:
    """It is refused, nothing is published, and the next pull begins anew."""
    (path,) = release.folder.glob("*.gz")
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(BundleRefused, match="hash differs"):
        fetch(target)
    assert target.versions("htru2") == []
    path.write_bytes(whole)
    assert fetch(target) == [("htru2", 1)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "SNN_RELEASE_URL names no release"),
        ("file:///etc", "SNN_RELEASE_URL names no release"),
        ("http://127.0.0.1:9", "Is this machine online"),
    ],
)
def test_offline_it_says_what_to_do(monkeypatch, target, url: str, said: str) -> None:
    """Without an address, or without an answer, the way around stands in the message."""
    monkeypatch.setenv("SNN_RELEASE_URL", url)
    with pytest.raises(PullFailed, match=said) as failed:
        fetch(target)
    assert "models/repository" in str(failed.value)


def test_an_unknown_model_is_named(release: Release, target: Repository) -> None:
    """The message lists what the release has."""
    with pytest.raises(PullFailed, match="has no model 'tox21'; it has htru2"):
        fetch(target, "tox21")
