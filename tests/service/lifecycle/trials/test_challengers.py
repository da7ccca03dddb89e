"""Challengers beside their champion: routed, compared on the same rows, promoted or dropped."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from models.registry.releases import Releases
from models.registry.serving_state import Challenger
from models.registry.store import Repository
from service.api.context import RequestContext
from service.coordination.coordinator import WorkerCoordinator
from service.inference.backend.device import CPU, Device
from service.inference.batcher import Limits
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModel, ServedModels
from service.inference.trials import finding, shadow
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.lifecycle.trials.challengers import Challengers
from service.observability.counters import Telemetry
from tests.support import bundles

#: Candidates for another featurizer.
OTHER_FEATURES = dataclasses.replace(
    bundles.CANDIDATES,
    identifier="pulsar-2",
    golden=lambda: [(bundles.CENTRE + 0.1 * step).tolist() for step in range(8)],
)


class House:
    """A service without HTTP over one repository; time passes by hand."""

    def __init__(self, tmp_path: Path, **champion: object) -> None:
        self.now = 1000.0
        self.root = tmp_path / "models"
        bundles.publish(self.root, **champion)
        self.served_models, telemetry = ServedModels(), Telemetry()
        self.coordinator = WorkerCoordinator(self.served_models, telemetry)
        self.releases = Releases(Repository(self.root), tmp_path / "state")
        self.loader = Loader(self.releases.repository, Device(CPU), telemetry, Limits())
        self.reloader = Reloader(
            self.served_models, self.loader, self.releases.repository, 1.0, 1e9,
            coordinator=self.coordinator, releases=self.releases,
        )  # fmt: skip
        self.predictor = Predictor(self.served_models, 10_000)
        self.challengers = Challengers(
            self.served_models, self.coordinator, self.releases, self.loader, lambda: self.now
        )

    @property
    def champion(self) -> ServedModel:
        """What serves."""
        return self.served_models.get("htru2")

    async def challenge(self, *, share: float = 0.0, auto: bool = False, **bundle: object) -> int:
        """Publish another version and put it on trial."""
        version = bundles.publish(self.root, promote=False, **bundle)
        self.releases.challenge("htru2", Challenger(version, share, auto=auto), "cli:test", "try it")
        await self.challengers.look()
        return version

    async def traffic(self, requests: int, rows: int = 1, seed: int = 0, **marks: bool) -> Counter[int]:
        """Ordinary candidates; return how many requests each version has answered."""
        answered: Counter[int] = Counter()
        for number in range(requests):
            context = Marked(b"r%d-%d" % (seed, number), **marks)
            served = self.champion.answering(None, context)
            block = bundles.candidates(rows, seed=seed * 10_000 + number).tolist()
            prediction = await self.predictor.predict(served, block, request=context)
            answered[prediction.served.manifest.version] += 1
        return answered

    async def compared(self, rows: int) -> None:
        """Wait until so many rows were computed by both, and look."""
        for _ in range(500):
            await self.challengers.look()
            sums = self.coordinator.trial("htru2")
            if sums is not None and sums.agreement.rows + sums.agreement.shed >= rows:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{rows} rows were not compared")


class Marked(RequestContext):
    """A request that may be marked as synthetic."""

    def __init__(self, request_id: bytes, *, synthetic: bool = False) -> None:
        super().__init__(request_id)
        self.synthetic = synthetic


def run(house: House, work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's work with version 1 serving; at its end no request holds any version."""

    async def main() -> None:
        await house.reloader.poll()
        await work()
        house.served_models.get("htru2")
        for name in list(house.challengers._trials):
            house.challengers._end(name)
        await asyncio.gather(*house.challengers._closing)
        assert house.champion.leases.count == 0
        house.predictor.close()
        await asyncio.to_thread(house.reloader.close)

    asyncio.run(main())


@pytest.mark.parametrize("bad", [{"ill": 3.0}, {"seed": 3}], ids=["an altered layer", "learned nothing"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_bad_challenger_is_named_within_256_rows(
    tmp_path: Path, bad: dict[str, object], share: float
) -> None:
    """In the shadow and as a canary: a layer's weights times three, and weights that know nothing."""
    house = House(tmp_path)

    async def work() -> None:
        version = await house.challenge(share=share, **bad)
        requests = 256 if share == 0 else 420
        answered = await house.traffic(requests)
        if share:
            assert 150 < answered[version] <= 256
        await house.compared(answered[version] if share else 256)
        sums = house.coordinator.trial("htru2")
        assert sums.agreement.rows <= 256
        assert house.coordinator.findings["htru2"].fault is not None
        assert house.champion.manifest.version == 1  # nobody asked for more

    run(house, work)


def test_a_challenger_that_is_as_good_is_not_named(tmp_path: Path) -> None:
    """The same weights under another number agree on every row, as do all of their health."""
    house = House(tmp_path)

    async def work() -> None:
        await house.challenge()
        assert await house.traffic(300) == {1: 300}
        await house.compared(300)
        sums = house.coordinator.trial("htru2")
        assert sums.agreement.concordance().value == pytest.approx(1.0, abs=1e-6)
        assert sums.agreement.called.sum() == 0
        assert sums.agreement.gaps.sum() < 1e-3
        assert all(each is not None for each in sums.health)
        assert all(seconds > 0 for seconds in sums.agreement.seconds)
        assert house.coordinator.findings["htru2"].fault is None
        assert house.coordinator.findings["htru2"].waits == "it has not passed the promotion gate"

    run(house, work)


def test_a_canary_answers_its_share_and_says_so(tmp_path: Path) -> None:
    """Of 400 requests about half, as the answers say; the champion has the rest."""
    house = House(tmp_path)

    async def work() -> None:
        version = await house.challenge(share=0.5)
        answered = await house.traffic(400)
        assert 150 < answered[version] < 250
        assert answered[version] + answered[1] == 400
        await house.compared(answered[version])  # the canary's rows alone are computed twice
        assert house.coordinator.trial("htru2").agreement.rows == answered[version]

    run(house, work)


def test_a_version_that_is_named_answers_whatever_the_share(tmp_path: Path) -> None:
    """A request for a version is answered by it, be it the champion or the one on trial."""
    house = House(tmp_path)

    async def work() -> None:
        version = await house.challenge(share=0.5)
        for number in range(40):
            context = RequestContext(b"r%d" % number)
            assert house.champion.answering("1", context) is house.champion
            assert house.champion.answering(str(version), context).manifest.version == version

    run(house, work)


def test_asked_to_the_service_drops_a_bad_challenger_by_itself(tmp_path: Path) -> None:
    """The release log has the step and its reason, and no request is answered by it any more."""
    house = House(tmp_path)

    async def work() -> None:
        version = await house.challenge(share=0.5, auto=True, ill=3.0)
        await house.traffic(480)
        for _ in range(100):
            await house.challengers.look()
            if house.champion.trial.challenger is None:
                break
            await asyncio.sleep(0.02)
        assert house.champion.trial.challenger is None
        assert await house.traffic(40, seed=1) == {1: 40}
        last = house.releases.log.entries()[-1]
        assert (last.action, last.before, last.after, last.by) == ("drop", version, 1, "service")
        assert last.why
        assert house.releases.serving("htru2").challenger is None

    run(house, work)


def test_asked_to_the_service_promotes_a_good_challenger_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has passed its gate, and enough rows and time show no fault."""
    house = House(tmp_path)
    monkeypatch.setattr(finding, "ENOUGH_ROWS", 256)

    async def work() -> None:
        version = await house.challenge(auto=True)
        gate, reads = house.root / "htru2" / str(version) / "gate.json", list[int]()
        await house.traffic(256)
        await house.compared(256)
        assert house.coordinator.findings["htru2"].waits == "it has not passed the promotion gate"
        gate.write_bytes(b"{}")
        monkeypatch.setattr(Releases, "gate", lambda *_: reads.append(1) or {"passed": True})
        await house.challengers.look()
        assert "of 600 seconds" in house.coordinator.findings["htru2"].waits
        reads.clear()
        for _ in range(3):
            await house.challengers.look()
        assert reads == []  # the report is as it was
        house.now += 601
        await house.challengers.look()
        await house.reloader.poll()
        assert house.champion.manifest.version == version
        (last,) = [step for step in house.releases.log.entries() if step.action == "promote"]
        assert (last.before, last.after, last.by) == (1, version, "service")
        assert "concordance 1.000" in last.why
        await house.challengers.look()
        assert house.champion.trial.challenger is None

    run(house, work)


def test_the_shadow_is_shed_before_anything_waits(tmp_path: Path) -> None:
    """Beyond its room rows are counted and dropped; every request is answered by the champion."""
    house = House(tmp_path)

    async def work() -> None:
        await house.challenge()
        assert await house.traffic(6, rows=512) == {1: 6}
        await house.compared(6 * 512)
        agreement = house.coordinator.trial("htru2").agreement
        assert agreement.shed >= 512
        assert agreement.rows + agreement.shed == 6 * 512
        assert agreement.rows <= shadow.ROOM + 3 * 512

    run(house, work)


def test_while_the_champion_is_busy_the_shadow_does_nothing(tmp_path: Path) -> None:
    """With rows in the champion's queue no row is computed twice; afterwards they are."""
    house = House(tmp_path)

    async def work() -> None:
        await house.challenge()
        batcher = house.champion.batcher
        batcher._waiting += 1
        await house.traffic(20)
        await asyncio.sleep(0.2)
        await house.challengers.look()
        assert house.coordinator.trial("htru2").agreement.rows == 0
        batcher._waiting -= 1
        await house.compared(20)
        assert house.coordinator.trial("htru2").agreement.rows == 20

    run(house, work)


def test_synthetic_rows_tell_nothing(tmp_path: Path) -> None:
    """Smoke tests stay out of a trial's figures."""
    house = House(tmp_path)

    async def work() -> None:
        await house.challenge()
        await house.traffic(30, synthetic=True)
        await house.traffic(10, seed=1)
        await house.compared(10)
        assert house.coordinator.trial("htru2").agreement.rows == 10

    run(house, work)


def test_a_promotion_ends_the_trial(tmp_path: Path) -> None:
    """By the usual command; the version that was on trial then serves everything."""
    house = House(tmp_path)

    async def work() -> None:
        version = await house.challenge(share=0.5)
        house.releases.promote("htru2", version, "cli:test", "it is good")
        await house.reloader.poll()
        await house.challengers.look()
        assert await house.traffic(20) == {version: 20}
        assert house.champion.trial.challenger is None
        assert house.releases.describe("htru2")["challenger"] is None

    run(house, work)


def test_one_that_cannot_be_loaded_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    """Its golden rows are others: the champion answers everything."""
    house = House(tmp_path)

    async def work() -> None:
        version = bundles.publish(house.root, promote=False)
        folder = house.root / "htru2" / str(version)
        house.releases.challenge("htru2", Challenger(version, 0.5), "cli:test", "try it")
        (folder / "golden.npz").write_bytes(b"no")
        await house.challengers.look()
        assert "is not on trial" in house.coordinator.trial_errors["htru2"]
        assert await house.traffic(20) == {1: 20}
        house.releases.drop("htru2", "cli:test", "broken")
        await house.challengers.look()
        assert house.coordinator.trial_errors == {}

    run(house, work)


def test_other_features_can_be_a_canary_but_no_shadow(tmp_path: Path) -> None:
    """No row can be computed by both, which is said; as a canary each is watched by itself."""
    house = House(tmp_path)

    async def work() -> None:
        version = bundles.publish(house.root, promote=False, kind=OTHER_FEATURES)
        house.releases.challenge("htru2", Challenger(version), "cli:test", "try it")
        await house.challengers.look()
        assert "give it a share" in house.coordinator.trial_errors["htru2"]
        house.releases.challenge("htru2", Challenger(version, 0.5), "cli:test", "try it")
        await house.challengers.look()
        assert house.coordinator.trial_errors == {}
        assert set(await house.traffic(40)) == {1, version}
        assert house.coordinator.trial("htru2") is None
        told = house.coordinator.findings["htru2"]
        assert told.fault is None
        assert "only its failures and its times are watched" in told.waits
        house.champion.trial.challenger.traffic.inferences_failed += 5
        await house.challengers.look()
        assert house.coordinator.findings["htru2"].fault == "5 runs of it failed"

    run(house, work)


def test_a_challenger_that_fails_is_named(tmp_path: Path) -> None:
    """Runs that raise in the shadow are counted and reach no client."""
    house = House(tmp_path)

    async def work() -> None:
        await house.challenge()
        challenger = house.champion.trial.challenger

        class Broken:
            may_block = False

            def run(self, rows: np.ndarray) -> None:
                raise RuntimeError("no")

        other = house.challengers._trials["htru2"].shadow.other
        assert other is challenger
        house.challengers._trials["htru2"].shadow._run = lambda rows: Broken().run(rows)
        for seed in range(6):
            assert await house.traffic(3, seed=seed) == {1: 3}
            await asyncio.sleep(0.15)
        await house.challengers.look()
        assert "runs of it failed" in house.coordinator.findings["htru2"].fault

    run(house, work)


def test_a_second_trial_of_a_version_is_judged_like_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that once failed, as for a full disk, is tried again once the trial was begun anew."""
    house = House(tmp_path)
    drop = Releases.drop

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    async def work() -> None:
        monkeypatch.setattr(Releases, "drop", full)
        version = await house.challenge(share=0.5, auto=True, ill=3.0)
        answered = await house.traffic(480)
        await house.compared(answered[version])
        assert house.champion.trial.challenger is not None
        monkeypatch.setattr(Releases, "drop", drop)
        house.releases.drop("htru2", "cli:test", "by hand")
        await house.challengers.look()
        wanted = Challenger(version, 0.5, auto=True)
        house.releases.challenge("htru2", wanted, "cli:test", "once more")
        await house.challengers.look()
        answered = await house.traffic(480, seed=1)
        for _ in range(200):
            await house.challengers.look()
            if house.champion.trial.challenger is None:
                break
            await asyncio.sleep(0.02)
        assert house.releases.log.entries()[-1].by == "service"
        assert house.releases.serving("htru2").challenger is None

    run(house, work)


def test_the_trial_of_a_model_that_was_retired_ends(tmp_path: Path) -> None:
    """Nothing of the challenger stays in memory."""
    house = House(tmp_path)

    async def work() -> None:
        await house.challenge()
        champion = house.served_models._states.pop("htru2")
        await house.challengers.look()
        assert not house.challengers._trials
        assert champion.served.copies.take is None
        house.served_models._states["htru2"] = champion

    run(house, work)
