"""Promotions that are taken back by themselves, and those that are not."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from models.errors import BundleRefused
from models.registry.releases import Releases
from models.registry.store import Repository
from service.api.context import RequestContext
from service.coordination.coordinator import WorkerCoordinator
from service.errors import InferenceFailed
from service.health import verdict
from service.inference.backend.device import CPU, Device
from service.inference.batcher import Limits
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.inference.watched_run import counted
from service.lifecycle.auto_rollback import AutoRollback
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.observability.counters import Telemetry
from tests.support import bundles


class House:
    """A service without HTTP over one repository, and its guardian; time passes by hand."""

    def __init__(self, tmp_path: Path, seconds: float = 60.0) -> None:
        self.now = 1000.0
        self.root = tmp_path / "models"
        bundles.publish(self.root)
        self.served_models, telemetry = ServedModels(), Telemetry()
        self.coordinator = WorkerCoordinator(self.served_models, telemetry)
        self.repository = Repository(self.root)
        self.releases = Releases(self.repository, tmp_path / "state")
        self.loader = Loader(self.repository, Device(CPU), telemetry, Limits())
        self.reloader = Reloader(
            self.served_models,
            self.loader,
            self.repository,
            1.0,
            1e9,
            coordinator=self.coordinator,
            releases=self.releases,
        )
        self.predictor = Predictor(self.served_models, 10_000)
        self.auto_rollback = AutoRollback(
            self.served_models, self.coordinator, self.releases, self.loader, seconds, lambda: self.now
        )

    @property
    def serves(self) -> int:
        """The version that serves."""
        return self.served_models.get("htru2").manifest.version

    async def promote(self, **options: object) -> None:
        """Publish another version, promote it, and have it taken up."""
        version = bundles.publish(self.root, promote=False, **options)
        self.releases.promote("htru2", version, "cli:test", "try it")
        await self.reloader.poll()
        assert self.serves == version
        await self.auto_rollback.look()

    async def traffic(self, requests: int = 60, seed: int = 0) -> int:
        """Ordinary candidates; return how many requests failed."""
        failed = 0
        for number in range(requests):
            served = self.predictor.model("htru2")
            rows = bundles.candidates(8, seed=seed + number).tolist()
            try:
                await self.predictor.predict(served, rows, request=RequestContext(b"r%d" % number))
                served.traffic.succeeded.add(0.001)
            except Exception:  # noqa: BLE001 - counted
                failed += 1
        return failed

    async def repeated(self, requests: int) -> None:
        """One row that lies apart, again and again."""
        served = self.predictor.model("htru2")
        row = (bundles.CENTRE + 3 * bundles.SPREAD).tolist()
        for number in range(requests):
            await self.predictor.predict(served, [row], request=RequestContext(b"r%d" % number))

    async def shifted(self, requests: int) -> None:
        """Candidates that lie apart from those of training, no two alike."""
        served = self.predictor.model("htru2")
        for number in range(requests):
            rows = (bundles.candidates(8, seed=number) + 3 * bundles.SPREAD).tolist()
            await self.predictor.predict(served, rows, request=RequestContext(b"r%d" % number))

    async def look(self) -> None:
        """A look of the guardian, then of the reloader."""
        await self.auto_rollback.look()
        await self.reloader.poll()

    def steps(self) -> list[tuple]:
        """The log, short."""
        self.reloader._audit._thread.submit(int).result()
        return [(step.action, step.before, step.after, step.by) for step in self.releases.log.entries()]


def run(work, house: House) -> None:
    """Run a test's work with version 1 serving, its traffic found healthy."""

    async def main() -> None:
        await house.reloader.poll()
        await house.traffic()
        await house.auto_rollback.look()
        assert (await house.coordinator.health("htru2"))[1].judgement.verdict == "healthy"
        await work()
        house.predictor.close()
        await asyncio.to_thread(house.reloader.close)

    asyncio.run(main())


def test_unhealthy_where_its_predecessor_was_healthy_is_rolled_back(tmp_path: Path) -> None:
    """The log tells the story, and the version is not taken up again."""
    house = House(tmp_path)

    async def work() -> None:
        await house.promote(ill=3.0)
        await house.look()
        assert house.serves == 2  # no rows yet, no verdict
        await house.traffic()
        await house.look()
        assert house.serves == 1
        for _ in range(3):
            await house.traffic(5)
            await house.look()
        assert house.serves == 1
        assert house.repository.serving("htru2").champion == 1
        assert house.steps() == [
            ("serve", None, 1, "service"),
            ("promote", 1, 2, "cli:test"),
            ("serve", 1, 2, "service"),
            ("rollback", 2, 1, "service"),
            ("serve", 2, 1, "service"),
        ]
        reason = house.releases.log.entries()[3].why
        assert "unhealthy where those of version 1 were healthy" in reason

    run(work, house)


def test_a_read_only_repository_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is kept in the state folder, and the next promotion ends it."""
    house = House(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    async def work() -> None:
        await house.promote(ill=3.0)
        await house.traffic()
        monkeypatch.setattr(Repository, "roll_back", refuse)
        await house.look()
        assert house.serves == 1
        assert house.repository.serving("htru2").champion == 2
        await house.look()
        assert house.serves == 1
        await house.promote(seed=3)
        assert house.serves == 3

    run(work, house)


def test_errors_that_the_predecessor_did_not_make_take_it_back(tmp_path: Path) -> None:
    """A network that raises on what its predecessor computed."""
    house = House(tmp_path)

    async def work() -> None:
        await house.promote(seed=0)
        served = house.served_models.get("htru2")

        def broken(_: object) -> None:
            raise RuntimeError("no")

        served.batcher._compute = _raising(served, broken)
        assert await house.traffic(20) == 20
        await house.look()
        assert house.serves == 1
        (reason,) = [step.why for step in house.releases.log.entries() if step.action == "rollback"]
        assert reason.startswith("20 of 20 requests failed")

    run(work, house)


def _raising(served, broken):
    return counted(lambda rows, parts: broken(rows), served.traffic)


def test_a_golden_failure_that_reloading_does_not_cure_takes_it_back(tmp_path: Path) -> None:
    """The new version's file is spoiled after it was loaded, then its memory."""
    house = House(tmp_path)

    async def work() -> None:
        await house.promote(seed=0)
        path = house.repository.bundle("htru2", 2) / "model.onnx"
        path.write_bytes(path.read_bytes()[:-5])
        house.loader.check = _spoiled
        await house.reloader.check("htru2")
        assert house.served_models.state("htru2").served is None
        await house.look()
        assert house.serves == 1
        actions = [step[0] for step in house.steps()]
        assert actions == ["serve", "promote", "serve", "refuse", "rollback", "serve"]

    run(work, house)


def _spoiled(_: object) -> None:
    raise BundleRefused("golden rows: a probability is off")


def test_what_does_as_well_as_its_predecessor_stays(tmp_path: Path) -> None:
    """The same network as another version is never touched."""
    house = House(tmp_path)

    async def work() -> None:
        await house.promote(seed=0)
        for _ in range(4):
            await house.traffic()
            await house.look()
        assert house.serves == 2

    run(work, house)


def test_what_moves_both_versions_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that make a version unhealthy, as if by its own fault, are judged by the one before too."""
    house = House(tmp_path)
    judged = []
    health = house.coordinator.health

    async def blamed(name: str):
        served, found, since = await health(name)
        judgement = dataclasses.replace(found.judgement, verdict="unhealthy", origin="model")
        judged.append(found.judgement.verdict)
        return served, dataclasses.replace(found, judgement=judgement), since

    async def work() -> None:
        await house.promote(seed=0)
        monkeypatch.setattr(house.coordinator, "health", blamed)
        monkeypatch.setattr(verdict, "origin_of", lambda _: "model")
        for _ in range(3):
            await house.shifted(50)
            house.now += 11
            await house.look()
        assert judged[-1] == "unhealthy"
        assert house.serves == 2
        assert house.repository.serving("htru2").champion == 2

    run(work, house)


def test_what_departs_where_its_predecessor_had_no_rows_is_taken_back(tmp_path: Path) -> None:
    """The version before needs no traffic of its own: it judges the new one's rows."""
    house = House(tmp_path)

    async def main() -> None:
        await house.reloader.poll()
        await house.auto_rollback.look()
        await house.promote(ill=3.0)
        await house.traffic()
        await house.look()
        assert house.serves == 1
        house.predictor.close()
        await asyncio.to_thread(house.reloader.close)

    asyncio.run(main())


def test_after_the_probation_and_after_a_rollback_nothing_is_decided(tmp_path: Path) -> None:
    """Time is up: it is left to people. And what was gone back to is not left for what it replaced."""
    house = House(tmp_path)

    async def work() -> None:
        await house.promote(ill=3.0)
        house.now += 61
        await house.traffic()
        await house.look()
        assert house.serves == 2
        house.releases.roll_back("htru2", "cli:test", "by hand")
        await house.look()
        assert house.serves == 1
        await house.traffic()
        await house.look()
        assert (house.serves, house.auto_rollback._probations) == (1, {})

    run(work, house)


def test_synthetic_requests_roll_nothing_back(tmp_path: Path) -> None:
    """Smoke tests that fail, or whose rows are ill, are no evidence against a version."""
    house = House(tmp_path)

    class Synthetic(RequestContext):
        synthetic = True

    async def work() -> None:
        await house.promote(ill=3.0)
        served = house.served_models.get("htru2")
        await house.look()
        for number in range(60):
            rows = bundles.candidates(8, seed=number).tolist()
            await house.predictor.predict(served, rows, request=Synthetic(b"r%d" % number))
        await house.look()
        assert served.sample.requests() == []
        served.batcher._compute = _raising(served, _broken)
        for number in range(20):
            with pytest.raises(InferenceFailed):
                await house.predictor.predict(served, rows, request=Synthetic(b"s%d" % number))
        assert served.traffic.inferences_failed == 0
        await house.look()
        assert house.serves == 2

    run(work, house)


def _broken(_: object) -> None:
    raise RuntimeError("no")
