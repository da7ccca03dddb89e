"""The catalog in step with the repository: every way a version can come, go, and be wrong."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import structlog

from models.registry.store import Repository
from service.errors import ModelNotFound, ModelNotReady
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import open_session
from service.inference.batcher import Limits
from service.inference.served_models import ServedModels
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.observability.counters import Telemetry
from tests.support import bundles


class Clock:
    """A monotonic clock that goes where the test says."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Faulty:
    """A session whose weights can go bad after it was loaded."""

    faulty = False

    def __init__(self, model: bytes, device: Device) -> None:
        self._session = open_session(model, device)
        self.provider, self.may_block = self._session.provider, False

    def run(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Compute, with an error once the fault is there."""
        outputs = self._session.run(rows)
        if self.faulty:
            outputs["taps"] = outputs["taps"] * 1.5
        return outputs


class House:
    """A repository, and all that serves it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repository = Repository(root)
        self.served_models, self.clock = ServedModels(), Clock()
        self.sessions: list[Faulty] = []
        self.loads = 0
        loader = Loader(self.repository, Device(CPU), Telemetry(), Limits(), self._open)
        self.reloader = Reloader(self.served_models, loader, self.repository, 1.0, 60.0, self.clock)

    def _open(self, model: bytes, device: Device) -> Faulty:
        self.loads += 1
        self.sessions.append(Faulty(model, device))
        return self.sessions[-1]

    @property
    def ready(self) -> bool:
        """Whether the service is ready."""
        return self.reloader._coordinator.whole().ready

    def version(self, name: str = "htru2") -> int:
        """The version that serves."""
        return self.served_models.get(name).manifest.version

    async def answer(self, name: str = "htru2") -> float:
        """One prediction of the model that serves."""
        rows = bundles.candidates(1)
        return float((await self.served_models.get(name).batcher.run(rows)).outputs["probability"][0, 0])


def in_house(root: Path, work: Callable[[House], Awaitable[None]]) -> None:
    """Run ``work`` with a house over ``root``."""

    async def main() -> None:
        await work(House(root))
        await asyncio.sleep(0.05)  # retired models close

    asyncio.run(main())


def test_a_promoted_version_replaces_the_old_one(tmp_path: Path) -> None:
    """The next poll after a promotion serves the new version, and a rollback the old one."""
    bundles.publish(tmp_path)

    async def work(house: House) -> None:
        with pytest.raises(ModelNotReady, match="not been read"):
            house.served_models.get("htru2")
        await house.reloader.poll()
        assert house.ready
        before, first = house.served_models.get("htru2"), await house.answer()
        bundles.publish(tmp_path, seed=1, promote=False)
        await house.reloader.poll()
        assert house.version() == 1
        house.repository.promote("htru2", 2)
        await house.reloader.poll()
        assert house.version() == 2
        assert await house.answer() != first
        house.repository.roll_back("htru2")
        await house.reloader.poll()
        assert house.version() == 1
        assert await house.answer() == first
        assert house.served_models.get("htru2") is not before
        with pytest.raises(ModelNotFound, match="there is htru2"):
            house.served_models.get("tox21")

    in_house(tmp_path, work)


def truncate(folder: Path) -> None:
    """Cut the model file short."""
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-100])


def alter(folder: Path) -> None:
    """Flip one bit of the weights."""
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def link(folder: Path) -> None:
    """Let the model file be a link to another place."""
    shutil.move(folder / "model.onnx", folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")


def other_schema(folder: Path) -> None:
    """Let the manifest be of another schema version."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 9}))


def other_name(folder: Path) -> None:
    """Let the manifest say that it is another model."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "tox21"}))


def no_golden(folder: Path) -> None:
    """Take the golden rows away."""
    (folder / "golden.npz").unlink()


def link_folder(folder: Path) -> None:
    """Let the version's folder be a link out of the repository."""
    shutil.move(folder, folder.parent.parent.parent / "outside")
    folder.symlink_to(folder.parent.parent.parent / "outside")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, "truncated"),
        (alter, "altered"),
        (link, "is a link"),
        (other_schema, "schema version"),
        (other_name, "version 2 of tox21"),
        (no_golden, "golden.npz cannot be read"),
        (link_folder, "is a link"),
        (shutil.rmtree, "no version 2"),
    ],
)
def test_a_broken_version_is_refused_and_the_old_one_serves_on(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    """The reason is kept, the old version answers, and a rollback clears it."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)

    async def work(house: House) -> None:
        await house.reloader.poll()
        bundles.publish(root, seed=1)
        spoil(root / "htru2" / "2")
        await house.reloader.poll()
        assert house.version() == 1
        error = house.served_models.state("htru2").error
        assert error is not None
        assert error.startswith("version 2 was refused: ")
        assert reason in error
        assert house.ready
        await house.answer()
        (root / "htru2" / "serving.json").write_text('{"champion": 1}')
        await house.reloader.poll()
        assert house.served_models.state("htru2").error is None

    in_house(root, work)


def test_a_foreign_graph_with_right_hashes_fails_its_golden_rows(tmp_path: Path) -> None:
    """Another network of the same shape under this manifest is caught by what it computes."""
    bundles.publish(tmp_path)

    async def work(house: House) -> None:
        await house.reloader.poll()
        bundles.publish(tmp_path, model=bundles.graph(scale_layer=1.1))
        await house.reloader.poll()
        assert house.version() == 1
        assert "member 0, layer 2" in str(house.served_models.state("htru2").error)

    in_house(tmp_path, work)


def test_a_broken_version_is_tried_again_only_when_something_changed(tmp_path: Path) -> None:
    """Polls in between cost no load and no log line; mended files are picked up at once."""
    bundles.publish(tmp_path)
    logged = []

    async def work(house: House) -> None:
        await house.reloader.poll()
        bundles.publish(tmp_path, seed=1)
        good = (tmp_path / "htru2" / "2" / "model.onnx").read_bytes()
        truncate(tmp_path / "htru2" / "2")
        with structlog.testing.capture_logs() as lines:
            for _ in range(5):
                await house.reloader.poll()
        logged.extend(lines)
        assert house.version() == 1
        (tmp_path / "htru2" / "2" / "model.onnx").write_bytes(good)
        await house.reloader.poll()
        assert house.version() == 2
        assert house.loads == 2

    in_house(tmp_path, work)
    assert [line["event"] for line in logged] == ["model refused"]
    assert "truncated" in logged[0]["reason"]


def test_one_bad_model_does_not_stop_the_others(tmp_path: Path) -> None:
    """A model that cannot be loaded makes the service not ready; its neighbour is served and updated."""
    bundles.publish(tmp_path, name="good")
    bundles.publish(tmp_path, name="bad")
    (tmp_path / "bad" / "1" / "manifest.json").write_text("{")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "serving.json").write_text('{"champion": "one"}')

    async def work(house: House) -> None:
        await house.reloader.poll()
        assert house.version("good") == 1
        assert not house.ready
        with pytest.raises(ModelNotReady, match="version 1 was refused"):
            house.served_models.get("bad")
        assert "malformed" in str(house.served_models.state("broken").error)
        bundles.publish(tmp_path, name="good", seed=1)
        await house.reloader.poll()
        assert house.version("good") == 2

    in_house(tmp_path, work)


def test_a_repository_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """While the folder is away the models serve on, and the trouble is told."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)

    async def work(house: House) -> None:
        await house.reloader.poll()
        root.rename(tmp_path / "away")
        await house.reloader.poll()
        assert "not a folder" in str(house.served_models.trouble)
        assert house.version() == 1
        (tmp_path / "away").rename(root)
        await house.reloader.poll()
        assert house.served_models.trouble is None
        (root / "htru2" / "serving.json").unlink()
        await house.reloader.poll()
        assert house.version() == 1
        assert "no longer promoted" in str(house.served_models.state("htru2").error)

    in_house(root, work)


def test_golden_rows_that_fail_live_reload_the_bundle_once(tmp_path: Path) -> None:
    """Memory that went bad is replaced from disk without a failed answer."""
    bundles.publish(tmp_path)

    async def work(house: House) -> None:
        await house.reloader.poll()
        before = await house.answer()
        house.sessions[0].faulty = True
        await house.reloader.poll()  # not due yet
        assert house.loads == 1
        house.clock.now += 61
        await house.reloader.poll()
        assert house.loads == 2
        state = house.served_models.state("htru2")
        assert state.intact
        assert state.error is None
        assert await house.answer() == before
        house.clock.now += 61
        await house.reloader.poll()
        assert house.loads == 2
        assert house.served_models.state("htru2").intact

    in_house(tmp_path, work)


def test_golden_rows_that_go_on_failing_withdraw_the_model(tmp_path: Path) -> None:
    """A model that a reload does not mend must not answer; it comes back when it can."""
    bundles.publish(tmp_path)

    async def work(house: House) -> None:
        await house.reloader.poll()
        house.sessions[0].faulty = True
        path = tmp_path / "htru2" / "1" / "model.onnx"
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        house.clock.now += 61
        await house.reloader.poll()
        assert not house.ready
        assert house.served_models.state("htru2").intact is False
        with pytest.raises(ModelNotReady, match="golden rows failed"):
            house.served_models.get("htru2")
        path.write_bytes(content)
        await house.reloader.poll()
        assert house.ready

    in_house(tmp_path, work)


def test_a_champion_refused_at_the_start_is_stood_in_for(tmp_path: Path) -> None:
    """The latest champion before it that loads serves, with the reason; mended, it takes its place."""
    for seed in range(4):
        bundles.publish(tmp_path, seed=seed)
    files = [tmp_path / "htru2" / version / "model.onnx" for version in ("4", "3")]
    good = files[0].read_bytes()
    for path in files:
        truncate(path.parent)
    logged = []

    async def work(house: House) -> None:
        with structlog.testing.capture_logs() as lines:
            await house.reloader.poll()
            assert house.version() == 2
            first = house.served_models.state("htru2").error
            house.clock.now += 31  # both are tried again, and nothing new is found
            await house.reloader.poll()
        logged.extend(lines)
        assert house.version() == 2
        assert house.ready
        assert house.served_models.state("htru2").error == first
        assert str(first).startswith("version 4 was refused: ")
        assert "version 3 was refused: " in str(first)
        await house.answer()
        files[0].write_bytes(good)
        await house.reloader.poll()
        assert house.version() == 4
        assert house.served_models.state("htru2").error is None

    in_house(tmp_path, work)
    refused = [line for line in logged if line["event"] == "model refused"]
    assert [line["version"] for line in refused] == [4, 3]


def test_a_champion_withdrawn_while_it_served_is_not_stood_in_for(tmp_path: Path) -> None:
    """What answered wrongly is not ready, even where an earlier version would load."""
    bundles.publish(tmp_path)
    bundles.publish(tmp_path, seed=1)

    async def work(house: House) -> None:
        await house.reloader.poll()
        house.sessions[0].faulty = True
        truncate(tmp_path / "htru2" / "2")
        house.clock.now += 61
        for _ in range(2):
            await house.reloader.poll()
            assert not house.ready

    in_house(tmp_path, work)


def test_no_earlier_champion_that_loads_leaves_the_model_not_ready(tmp_path: Path) -> None:
    """Where everything is refused, every reason is shown."""
    for seed in range(2):
        bundles.publish(tmp_path, seed=seed)
        truncate(tmp_path / "htru2" / str(seed + 1))

    async def work(house: House) -> None:
        await house.reloader.poll()
        assert not house.ready
        with pytest.raises(ModelNotReady, match=r"version 2 was refused.*version 1 was refused"):
            house.served_models.get("htru2")

    in_house(tmp_path, work)


def test_a_replaced_model_closes_after_its_last_request(tmp_path: Path) -> None:
    """A request that took the old version finishes on it, whatever is promoted meanwhile."""
    bundles.publish(tmp_path)

    async def work(house: House) -> None:
        await house.reloader.poll()
        old = house.served_models.get("htru2")
        with old.leased():
            bundles.publish(tmp_path, seed=1)
            await house.reloader.poll()
            await asyncio.sleep(0.1)
            assert house.version() == 2
            await old.batcher.run(bundles.candidates(3))
            old.lane.submit(int).result()
        await asyncio.sleep(0.1)
        with pytest.raises(RuntimeError, match="shutdown"):
            old.lane.submit(int)

    in_house(tmp_path, work)
