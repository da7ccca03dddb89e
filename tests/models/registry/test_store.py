"""Publishing and promoting: atomic, ordered, safe against crashes and competitors."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from models.bundle.manifest import RESERVED_NAMES
from models.errors import RepositoryError, UnknownModel, UnknownVersion
from models.registry.serving_state import ServingState, parse_serving
from models.registry.store import Repository


def write(folder: Path, version: int) -> None:
    """Write a stand-in for a bundle."""
    (folder / "model.onnx").write_text(f"version {version}")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty repository."""
    return Repository(tmp_path)


def test_versions_count_up_and_are_never_overwritten(repository: Repository) -> None:
    """Each publish takes the next whole number and leaves the earlier ones alone."""
    assert [repository.publish("m", write) for _ in range(3)] == [1, 2, 3]
    assert repository.versions("m") == [1, 2, 3]
    assert (repository.bundle("m", 2) / "model.onnx").read_text() == "version 2"


def test_promotion_and_rollback_keep_the_line_of_champions(repository: Repository) -> None:
    """Rolling back returns to the champion before, and fails where there was none."""
    for _ in range(3):
        repository.publish("m", write)
    repository.promote("m", 1)
    repository.promote("m", 3)
    assert repository.promote("m", 3) == ServingState(3, (1,))
    assert repository.roll_back("m") == ServingState(1)
    with pytest.raises(RepositoryError, match="no earlier champion"):
        repository.roll_back("m")


def test_what_was_not_published_cannot_be_promoted(repository: Repository) -> None:
    """Unknown models and versions are named."""
    repository.publish("m", write)
    with pytest.raises(UnknownVersion, match="no version 7"):
        repository.promote("m", 7)
    with pytest.raises(UnknownModel, match="'n'"):
        repository.serving("n")
    assert repository.models() == []


@pytest.mark.parametrize("name", ["..", "a/b", "", "A", ".hidden", "x" * 65])
def test_a_name_is_not_a_path(repository: Repository, name: str) -> None:
    """Names that could leave the repository are refused."""
    with pytest.raises(UnknownModel, match="not a model name"):
        repository.publish(name, write)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_route_is_not_hidden(repository: Repository, name: str) -> None:
    """A model with the name of a route would be unreachable, so the name is refused."""
    with pytest.raises(UnknownModel, match="a route of the service is called so"):
        repository.publish(name, write)


def test_a_link_is_not_followed(repository: Repository, tmp_path: Path) -> None:
    """A version that links out of the repository is refused."""
    repository.publish("m", write)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "m" / "2").symlink_to(outside)
    with pytest.raises(RepositoryError, match="link"):
        repository.bundle("m", 2)


def test_a_full_disk_leaves_nothing_behind(repository: Repository) -> None:
    """An error while writing is passed on, and the repository is as it was."""

    def fail(folder: Path, version: int) -> None:
        write(folder, version)
        raise OSError(errno.ENOSPC, "No space left on device")

    repository.publish("m", write)
    with pytest.raises(OSError, match="No space"):
        repository.publish("m", fail)
    assert repository.versions("m") == [1]
    assert [path.name for path in (repository.root / "m").glob(".staging-*")] == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"champion": "1"}', '{"champion": true}', '{"champion": 1, "previous": 3}']
)
def test_a_malformed_serving_file_is_named(text: str) -> None:
    """The error names the file and shows how it should read."""
    with pytest.raises(RepositoryError, match=r"here is malformed .* should read"):
        parse_serving(text.encode(), "here")


def publish_many(root: str) -> None:
    """Publish and promote ten versions, as one of several competing processes."""
    repository = Repository(Path(root))
    for _ in range(10):
        repository.promote("m", repository.publish("m", write))


def test_two_publishers_take_turns(repository: Repository) -> None:
    """Competing processes lose no version and leave a valid champion."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=publish_many, args=(str(repository.root),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert repository.versions("m") == list(range(1, 31))
    assert repository.serving("m").champion in repository.versions("m")


CRASH = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from models.registry.store import Repository

    step, last = 0, int(sys.argv[2])

    def trace(event, arguments):
        # Every system call that changes the disk raises an audit event before it happens.
        global step
        if event in ("open", "os.mkdir", "os.rename", "os.chmod", "shutil.rmtree", "tempfile.mkdtemp"):
            if event == "open" and not str(arguments[0]).startswith(sys.argv[1]):
                return
            step += 1
            if step == last:
                os.kill(os.getpid(), signal.SIGKILL)

    repository = Repository(Path(sys.argv[1]))
    sys.addaudithook(trace)
    version = repository.publish("m", lambda folder, version: (folder / "a").write_text(str(version)))
    repository.promote("m", version)
    """
)


@pytest.mark.slow
def test_a_kill_between_any_two_steps_leaves_a_servable_repository(tmp_path: Path) -> None:
    """Killed before each of its steps in turn, publishing never breaks what is there."""
    repository = Repository(tmp_path)
    repository.promote("m", repository.publish("m", lambda folder, version: (folder / "a").touch()))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    for step in range(1, 60):
        process = subprocess.run(
            [sys.executable, "-c", CRASH, str(tmp_path), str(step)], env=environment, check=False
        )
        champion = repository.serving("m").champion
        for version in repository.versions("m"):
            assert (repository.bundle("m", version) / "a").exists()
        assert champion in repository.versions("m")
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
    else:
        pytest.fail("the publisher never finished")
    assert step > 8
    # The next publisher clears what the killed ones left.
    repository.promote("m", repository.publish("m", write))
    assert list((tmp_path / "m").glob(".staging-*")) == []


def test_seeding_adds_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    """A volume gets the image's new versions; its own versions and champion stay."""
    image, volume = Repository(tmp_path / "image"), Repository(tmp_path / "volume")
    for _ in range(2):
        image.promote("m", image.publish("m", write))
    assert volume.seed(image) == [("m", 1), ("m", 2)]
    assert volume.serving("m").champion == 2
    volume.promote("m", volume.publish("m", write))
    assert volume.seed(image) == []
    assert volume.serving("m") == ServingState(3, (2,))
    assert json.loads((volume.root / "m" / "serving.json").read_text())["champion"] == 3


def test_a_retired_model_is_not_served_until_it_is_promoted_again(tmp_path: Path) -> None:
    """Its versions and its line of champions stay; seeding does not bring it back."""
    image, volume = Repository(tmp_path / "image"), Repository(tmp_path / "volume")
    for _ in range(2):
        image.promote("m", image.publish("m", write))
    volume.seed(image)
    volume.promote("m", 1)
    before = volume.serving("m")
    assert volume.retire("m") == before
    assert volume.models() == []
    assert volume.strays() == {"m": "it is retired"}
    with pytest.raises(UnknownModel, match="no model named 'm' is promoted"):
        volume.retire("m")
    assert volume.seed(image) == []
    assert volume.models() == []
    after = volume.promote("m", 2)
    assert (after, after.generation) == (ServingState(2, (1,)), before.generation + 1)
    assert (volume.models(), volume.strays()) == (["m"], {})


def test_what_is_no_model_is_a_stray(repository: Repository) -> None:
    """Names that no model has, and folders without a promoted version, each with its reason."""
    repository.promote("m", repository.publish("m", write))
    repository.publish("held", write)
    for name in ("m.bak", ".hidden", "M", "stats"):
        (repository.root / name).mkdir()
        (repository.root / name / "serving.json").write_text('{"champion": 1}')
    (repository.root / "file").write_text("no folder")
    assert repository.models() == ["m"]
    named = dict.fromkeys((".hidden", "M", "m.bak", "stats"), "its name is no model's")
    assert repository.strays() == {**named, "held": "no version of it is promoted"}
