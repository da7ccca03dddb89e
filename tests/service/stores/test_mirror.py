"""The mirror of a store: what is promoted, what is half there, altered or hostile, what is gone."""

import json
import shutil
from pathlib import Path

import pytest

from models.bundle.loading import open_bundle
from models.errors import ReadOnly, RepositoryError
from models.registry.releases import Releases
from models.registry.store import Repository
from service.errors import SettingsError, StoreFailed
from service.settings import Settings
from service.stores.mirror import Mirror, MirroredRepository, open_mirror, repository_of
from service.stores.objects import ObjectPrefix
from tests.support import bundles

pytest.importorskip("obstore")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with three versions of which the second is promoted, before that the first."""
    for seed in range(3):
        bundles.publish(tmp_path / "store", seed=seed, promote=seed < 2)
    return tmp_path / "store"


@pytest.fixture
def mirror(store: Path, tmp_path: Path) -> Mirror:
    """Its mirror, which has not looked yet."""
    return Mirror(ObjectPrefix(f"file://{store}"), tmp_path / "mirror")


def content(path: Path, text: str | bytes) -> None:
    """Write an object."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    """What was logged."""
    return capsys.readouterr().out


def test_what_is_promoted_is_fetched_with_its_predecessor(mirror: Mirror, store: Path) -> None:
    """Nothing else is; a promotion, a rollback and a retirement in the store are followed."""
    mirror.sync(0)
    repository = mirror.repository
    assert repository.versions("htru2") == [1, 2]
    assert repository.serving("htru2") == Repository(store).serving("htru2")
    assert open_bundle(repository.bundle("htru2", 2)).manifest.version == 2
    Repository(store).promote("htru2", 3)
    mirror.sync(0)
    assert (repository.versions("htru2"), repository.serving("htru2").champion) == ([1, 2, 3], 3)
    assert repository.serving("htru2").previous == (2,)
    Repository(store).roll_back("htru2")
    mirror.sync(0)
    assert repository.serving("htru2").champion == 2
    Repository(store).retire("htru2")
    mirror.sync(0)
    assert repository.models() == []


@pytest.mark.parametrize("place", ["missing", "torn", "altered", "larger", "manifest"])
def test_what_is_not_whole_never_is_a_version(
    mirror: Mirror, store: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The champion serves on, the reason is logged once, and what is mended is fetched."""
    mirror.sync(0)
    Repository(store).promote("htru2", 3)
    file = store / "htru2/3" / ("manifest.json" if place == "manifest" else "model.onnx")
    good = file.read_bytes()
    match place:
        case "missing":
            file.unlink()
        case "torn":
            content(file, good[:-1])
        case "altered":
            content(file, good[:-1] + bytes([good[-1] ^ 1]))
        case "larger":
            content(file, good + b"x")
        case "manifest":
            content(file, "{")
    for now in (0, 1, 100, 101):
        mirror.sync(now)
    assert mirror.repository.versions("htru2") == [1, 2]
    assert mirror.repository.serving("htru2").champion == 2
    assert logged(capsys).count("store failed") == 1
    content(file, good)
    mirror.sync(1000)
    assert mirror.repository.serving("htru2").champion == 3
    assert not [path for path in (mirror.root / "htru2").iterdir() if "staging" in path.name]


def test_a_store_that_is_gone_changes_nothing(
    mirror: Mirror, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was fetched serves on, also for a mirror that begins without the store."""
    mirror.sync(0)
    store.rename(store.with_name("elsewhere"))
    for now in range(0, 500, 50):
        mirror.sync(now)
    assert mirror.repository.serving("htru2").champion == 2
    assert logged(capsys).count("store failed") == 1
    again = Mirror(mirror.objects, mirror.root)
    again.sync(0)
    assert again.repository.serving("htru2").champion == 2


def test_what_was_never_mirrored_has_a_reason(
    mirror: Mirror, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every process of the folder, until the store has models: it fails, or it is empty."""
    mirrored = MirroredRepository(mirror.root)
    refused = "the store cannot be listed: 403 Forbidden"

    def refuse(_: ObjectPrefix) -> list[str]:
        raise StoreFailed(refused)

    with monkeypatch.context() as patched:
        patched.setattr(ObjectPrefix, "folders", refuse)
        mirror.sync(0)
    with pytest.raises(RepositoryError, match=f"^{refused}$"):
        mirrored.models()
    elsewhere = store.rename(store.with_name("elsewhere"))
    mirror.sync(100)
    with pytest.raises(RepositoryError, match="the store has no models below"):
        mirrored.models()
    elsewhere.rename(store)
    mirror.sync(200)
    assert mirrored.models() == ["htru2"]
    store.rename(elsewhere)
    mirror.sync(300)
    assert mirrored.models() == ["htru2"]  # what was mirrored serves on


@pytest.mark.parametrize(
    ("name", "entry"),
    [("../../escaped", 3), ("/tmp/escaped", 3), ("extra.bin", 3), ("model.onnx", 3 << 30)],
)
def test_a_hostile_manifest_fetches_nothing(
    mirror: Mirror, store: Path, tmp_path: Path, name: str, entry: int
) -> None:
    """Neither names that lead out of the version nor sizes beyond the bound are taken from it."""
    path = store / "htru2/3/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": entry}
    path.write_text(json.dumps(manifest))
    Repository(store).promote("htru2", 3)
    mirror.sync(0)
    assert mirror.repository.models() == []
    assert not list(tmp_path.rglob("*escaped*"))


def test_folders_that_are_no_models_are_passed_over(mirror: Mirror, store: Path) -> None:
    """A name that no model may have, and a folder without a promotion, keep nothing from the others."""
    for name in ("Not A Model", "stream", "..data", "empty"):
        (store / name).mkdir()
        content(store / name / "file", "x")
    content(store / "empty" / "serving.json", '{"champion": "../../x"}')
    mirror.sync(0)
    assert mirror.repository.models() == ["htru2"]


def test_what_a_killed_mirror_left_is_removed(mirror: Mirror) -> None:
    """A staging folder of a fetch that was cut short is no version, and goes with the next fetch."""
    torn = mirror.root / "htru2" / ".staging-abc"
    torn.mkdir(parents=True)
    content(torn / "model.onnx", "half")
    mirror.sync(0)
    assert not torn.exists()
    assert mirror.repository.versions("htru2") == [1, 2]


def test_the_service_changes_no_mirror(store: Path, tmp_path: Path) -> None:
    """Promotion is refused with what to do; a rollback is kept as an exemption."""
    settings = Settings(models=f"file://{store}", state=tmp_path / "state")
    mirror = open_mirror(settings)
    assert mirror is not None
    mirror.sync(0)
    releases = Releases(repository_of(settings), settings.state)
    with pytest.raises(ReadOnly, match="promote where it can be written"):
        releases.promote("htru2", 1, "cli:me", "")
    assert releases.roll_back("htru2", "cli:me", "worse").champion == 1
    mirror.sync(0)
    assert Releases(repository_of(settings), settings.state).serving("htru2").champion == 1
    with pytest.raises(RepositoryError):
        releases.roll_back("htru2", "cli:me", "further")


@pytest.mark.parametrize("address", ["ftp://models", "s3://", "://x", "http://models"])
def test_an_address_of_no_store_is_refused(address: str) -> None:
    """The start ends with what an address begins with."""
    with pytest.raises(ValueError, match="a store's address begins with s3, gs, az, file and ://"):
        Settings(models=address)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A store that cannot be opened ends the start."""
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(SettingsError, match=r"pip install 'snn-serving\[stores\]'"):
        open_mirror(Settings(models="s3://models", state=tmp_path))


def test_objects_larger_than_what_is_asked_for_are_refused(store: Path) -> None:
    """Whatever a store says, no more is read; what is not there is None."""
    objects = ObjectPrefix(f"file://{store}")
    with pytest.raises(StoreFailed, match="of 3 at most"):
        objects.read("htru2/serving.json", 3)
    assert objects.read("htru2/absent.json", 3) is None
    assert objects.folders() == ["htru2"]
    shutil.rmtree(store / "htru2")
