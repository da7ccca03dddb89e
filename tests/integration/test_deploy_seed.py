"""``python -m models.registry.seed``: what brings a volume the bundles that came with an image."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.registry.serving_state import ServingState
from models.registry.store import Repository

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def seed(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Run the command as compose does."""
    return subprocess.run(
        [sys.executable, "-m", "models.registry.seed", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def published(root: Path, versions: int, text: str) -> Repository:
    """A repository of one model, its latest version promoted."""
    repository = Repository(root)

    def write(folder: Path, version: int) -> None:
        (folder / "model.onnx").write_text(text)

    for _ in range(versions):
        latest = repository.publish("m", write)
    repository.promote("m", latest)
    return repository


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """The bundles in the image: two versions, the second serves."""
    return published(tmp_path / "image", 2, "image")


def test_an_empty_volume_gets_everything(source: Repository, tmp_path: Path) -> None:
    """A first start copies every version, promotes the same one, and says what it did."""
    target = Repository(tmp_path / "volume")
    done = seed(source.root, target.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("copied") == 2
    assert target.versions("m") == [1, 2]
    assert target.serving("m") == ServingState(2)


def test_a_second_start_changes_nothing(source: Repository, tmp_path: Path) -> None:
    """A volume that has all versions is left alone."""
    seed(source.root, tmp_path / "volume")
    done = seed(source.root, tmp_path / "volume")
    assert done.returncode == 0
    assert "lacks no version" in done.stdout


def test_what_the_volume_has_is_kept(source: Repository, tmp_path: Path) -> None:
    """A version that was trained here and the champion stay; only the missing version is added."""
    target = published(tmp_path / "volume", 1, "trained here")
    assert seed(source.root, target.root).returncode == 0
    assert target.versions("m") == [1, 2]
    assert (target.bundle("m", 1) / "model.onnx").read_text() == "trained here"
    assert target.serving("m").champion == 1


def test_a_missing_source_is_one_sentence(tmp_path: Path) -> None:
    """No traceback where the source is not there."""
    done = seed(tmp_path / "nowhere", tmp_path / "volume")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_wrong_arguments_get_the_usage() -> None:
    """Anything but two folders is answered with how to call it."""
    done = seed("one")
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")
