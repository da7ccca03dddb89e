"""What a worker posts of its windows: it adds up, it goes on sliding after a death, and it is small."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.bundle.manifest import REFERENCE_FILE, Manifest
from models.health.reference import Reference
from models.health.windows.blocks import BlockLog, Blocks
from models.networks.outputs import SQUASHED
from service.coordination.statuses import ModelStatus, decode, encode
from service.coordination.window_sums import WindowSums, add_windows
from service.health.monitor import Monitor
from service.health.sequential_alarm import SequentialAlarms
from service.health.windows import WINDOWS, read
from tests.support import bundles

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """A monotonic clock that goes where the test says."""

    now = 10_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def monitors() -> Callable[[Clock, int], list[Monitor]]:
    """Return a function that makes monitors of the small network on one clock."""
    reference = bundles.reference()
    return lambda clock, count: [Monitor(reference, clock) for _ in range(count)]


@lru_cache
def outputs(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The small network's outputs for so many rows."""
    return bundles.run_all(bundles.graph(), bundles.candidates(rows, seed))


def test_sums_of_two_workers_are_those_of_one_that_saw_everything(monitors) -> None:
    """Whatever was seen when, also after the sums went through the shared store."""
    clock = Clock()
    first, second, both = monitors(clock, 3)
    for step in range(150):
        batch = outputs(8, step % 11)
        (first, second)[step % 3 == 0].observe(batch)
        both.observe(batch)
        for monitor in (first, second, both):
            monitor.history()  # brings the rows into the windows
        clock.now += 5.0
    posted = decode(encode(WindowSums.of(second, clock.now)), WindowSums)
    total = add_windows([WindowSums.of(first, clock.now).windows, posted.windows_at(clock.now)])
    expected = read([both.history()], clock.now)
    assert expected["1m"].count == 88
    for name in WINDOWS:
        assert total[name].counts.tolist() == expected[name].counts.tolist()
        assert total[name].values == pytest.approx(expected[name].values, rel=1e-5, abs=1e-3)
        assert (total[name].features is None) == (name == "1h")
    assert total["start"].features == pytest.approx(expected["start"].features)


def test_windows_of_a_worker_that_died_go_on_sliding(monitors) -> None:
    """Of steady traffic they hold what its own windows would, to a bucket or two; then nothing."""
    clock = Clock()
    [dead] = monitors(clock, 1)
    for step in range(800):
        dead.observe(outputs(2, step % 7))
        clock.now += 5.0
    posted = WindowSums.of(dead, clock.now)
    largest = np.abs(posted.windows["start"].values).max() / 1600  # of a row, on average
    assert posted.windows_at(clock.now + 5) is posted.windows
    for age in (20.0, 45.0, 300.0, 1000.0, 3000.0, 5000.0):
        clock.now = 14_000.0 + age
        true, estimated = read([dead.history()], clock.now), posted.windows_at(clock.now)
        for name in WINDOWS:
            rows = 2 * (12 if name == "1h" else 2)  # of two buckets of five seconds, or one of a minute
            assert estimated[name].count == pytest.approx(true[name].count, abs=rows), (age, name)
            assert estimated[name].requests == pytest.approx(true[name].requests, abs=rows)
            error = np.abs(estimated[name].values - true[name].values) / largest
            assert error.max() < 2 * rows
        assert estimated["start"].count == 1600
    assert [estimated[name].count for name in WINDOWS] == [0, 0, 0, 1600]
    features = estimated["10m"].features
    assert features is not None
    assert not features.any()


def test_a_successor_adds_what_its_predecessor_left_and_hands_it_on(monitors) -> None:
    """Also to a successor of its own."""
    clock = Clock()
    first, second, third = monitors(clock, 3)
    first.observe(outputs(30))
    clock.now += 2.0
    second.observe(outputs(20))
    clock.now += 2.0
    third.observe(outputs(10))
    posted = WindowSums.of(
        third, clock.now, WindowSums.of(second, clock.now, WindowSums.of(first, clock.now))
    )
    assert [posted.windows[name].count for name in WINDOWS] == [60] * 4
    assert posted.evidence.counts[:, 0].sum() == 60


def test_the_sequential_detector_reads_posted_evidence_as_it_reads_buckets(monitors) -> None:
    """Its wealth is the same, be the other worker's buckets read whole or from what it posts."""
    clock = Clock()
    own, other = monitors(clock, 2)
    levels: list[tuple[float, float]] = []
    whole, posted = SequentialAlarms(), SequentialAlarms()

    def level(alarms: SequentialAlarms, histories: Sequence) -> float:
        watch = alarms.look("htru2", 1, own, histories)
        assert watch is not None
        return watch.level

    for step in range(60):
        own.observe(outputs(3, step))
        other.observe(outputs(3, step + 100))
        clock.now += 5.0
        if step % 5 == 0:
            sums = decode(encode(WindowSums.of(other, clock.now)), WindowSums)
            both = level(whole, [other.evidence()]), level(posted, [sums.evidence])
            levels.append(both)
    assert len({both[0] for both in levels}) > 5
    assert [both[1] for both in levels] == pytest.approx([both[0] for both in levels])


def test_sums_of_another_shape_are_not_added(monitors) -> None:
    """A worker that serves other files under the same version is left out."""
    clock = Clock()
    small, same = (WindowSums.of(monitor, clock.now) for monitor in monitors(clock, 2))
    other = WindowSums.of(Monitor(bundles.reference(kind=bundles.MOLECULES), clock), clock.now)
    assert small.fits(same)
    assert not small.fits(other)


def test_a_status_of_the_largest_model_is_small() -> None:
    """Tox21's 200 layers and 1,875 features take less than 300 KiB of shared memory per worker.

    That is in thin traffic; ten minutes of 2,500 rows a second have more blocks, and take up to 1 MiB.
    """
    folder = max((ROOT / "models" / "repository" / "tox21").glob("[0-9]*"))
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    content = (folder / REFERENCE_FILE).read_bytes()
    clock = Clock()
    monitor = Monitor(Reference.from_bytes(content, manifest.reference, manifest.features), clock)
    layout = monitor.detector.layout
    rng = np.random.default_rng(0)
    for _ in range(40):
        taps = rng.uniform(0.1, 1.0, (4, layout.members, layout.layers, 3)).astype(np.float32)
        squashed = rng.normal(size=(4, manifest.features)).astype(np.float32)
        monitor.observe({"taps": taps, SQUASHED: squashed})
        clock.now += 5.0
    state = dict.fromkeys(ModelStatus.__struct_fields__)
    status = ModelStatus(
        **state | {"sums": WindowSums.of(monitor, clock.now), "departing": monitor.departing()}
    )
    assert len(encode(status)) <= 300 * 1024
    width = monitor.blocks().values.shape[1]
    log = BlockLog(width)
    for second in range(700):
        times = np.repeat(second + np.arange(40)[:, None] / 40, 2, axis=1)
        counts = np.tile([64.0, 1.0, 4096.0], (40, 1))
        log.add(Blocks(times, counts, np.zeros((40, width), np.float32)))
    busy = msgspec.structs.replace(status.sums, blocks=log.blocks())
    assert busy.blocks.counts[:, 0].sum() > 1_500_000
    assert len(encode(msgspec.structs.replace(status, sums=busy))) <= 1024 * 1024
