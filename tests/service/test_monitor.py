"""The monitor against whole-data statistics, with a clock of the test's own."""

import numpy as np
import pytest

from models.manifest import Manifest
from models.moments import Moments
from models.reference import Reference, comparable
from models.selu import SATURATION
from service.monitor import Monitor, layer_statistics
from service.telemetry import Traffic
from service.windows import WINDOWS, Windows
from tests.support import bundles


class Clock:
    """A monotonic clock that goes where the test says."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def reference(tmp_path) -> Reference:
    """The small bundle's reference."""
    bundles.write_bundle(tmp_path, 1)
    manifest = Manifest.model_validate_json((tmp_path / "manifest.json").read_text())
    return Reference.of(manifest.reference)


def taps_of(rows: np.ndarray, **options: float) -> np.ndarray:
    """The small network's taps for these rows."""
    return bundles.run(bundles.graph(**options), rows)["taps"]


def test_it_warms_up_and_then_finds_ordinary_traffic_healthy(reference: Reference) -> None:
    """Rows like the reference's need a number before a verdict, which is then healthy."""
    monitor = Monitor(reference, Clock())
    monitor.observe({"taps": taps_of(bundles.candidates(10))})
    health = monitor.health()
    assert health.judgement.verdict == "warming_up"
    assert health.windows["1m"].count == 10
    monitor.observe({"taps": taps_of(bundles.candidates(500, seed=1))})
    health = monitor.health()
    assert health.judgement.verdict == "healthy"
    assert health.judgement.origin is None
    assert health.judgement.first_departing is None


def test_shifted_inputs_are_named_as_such(reference: Reference) -> None:
    """Inputs scaled by a forgotten factor move the first layer of both members."""
    monitor = Monitor(reference, Clock())
    monitor.observe({"taps": taps_of(3 * bundles.candidates(500))})
    judgement = monitor.health().judgement
    assert judgement.verdict == "unhealthy"
    assert judgement.origin == "input"
    assert judgement.first_departing is not None
    assert judgement.first_departing[1] == 0


def test_a_faulty_layer_is_named_as_the_models(reference: Reference) -> None:
    """Weights of the second layer doubled leave the first as it was."""
    monitor = Monitor(reference, Clock())
    monitor.observe({"taps": taps_of(bundles.candidates(500), scale_layer=2.0)})
    judgement = monitor.health().judgement
    assert judgement.verdict == "unhealthy"
    assert judgement.origin == "model"
    assert judgement.first_departing is not None
    assert judgement.first_departing[1] == 1
    assert "layer 2" in judgement.reason


def test_a_verdict_passes_when_the_fault_has(reference: Reference) -> None:
    """Ten minutes after the last faulty row the windows that decide hold healthy ones alone."""
    clock = Clock()
    monitor = Monitor(reference, clock)
    monitor.observe({"taps": taps_of(3 * bundles.candidates(500))})
    assert monitor.health().judgement.verdict == "unhealthy"
    clock.now += 700
    monitor.observe({"taps": taps_of(bundles.candidates(500))})
    health = monitor.health()
    assert health.judgement.verdict == "healthy"
    assert health.windows["1h"].count == 1000


def test_statistics_are_those_of_all_units_of_all_rows(reference: Reference) -> None:
    """Many small batches give the pooled moments and the monotone sums of the data as a whole."""
    traffic = Traffic()
    monitor = Monitor(reference, Clock(), traffic)
    taps = taps_of(bundles.candidates(700))
    for start in range(0, 700, 7):
        monitor.observe({"taps": taps[start : start + 7]})
    mean, variance, saturated = layer_statistics(monitor.health().windows["start"])
    whole = taps.astype(np.float64)
    assert mean == pytest.approx(whole[..., 0].mean(axis=0))
    assert saturated == pytest.approx(whole[..., 2].mean(axis=0))
    second = (whole[..., 1] + whole[..., 0] ** 2).mean(axis=0)
    assert variance == pytest.approx(second - whole[..., 0].mean(axis=0) ** 2)
    sums = traffic.activations
    assert sums is not None
    assert sums.rows == 700
    assert sums.shifted / sums.rows + SATURATION == pytest.approx(mean, abs=1e-6)
    spread = sums.squared / sums.rows - (sums.shifted / sums.rows) ** 2
    assert spread == pytest.approx(variance, rel=1e-6)


@pytest.mark.parametrize("sizes", [[700], [1, 255, 256, 188], [200, 200, 300], [3] * 233 + [1]])
def test_batches_of_any_size_make_no_difference(reference: Reference, sizes: list[int]) -> None:
    """However rows are cut into batches, p-values and moments are those of numpy on all of them."""
    taps = taps_of(2 * bundles.candidates(700))
    taps[17, ..., 1] = 0  # a layer that died
    taps[18, ..., 0] = 1e30
    monitor = Monitor(reference, Clock())
    parts = np.split(taps, np.cumsum(sizes)[:-1])
    p_values = np.concatenate([monitor.observe({"taps": part}) for part in parts])
    assert p_values == pytest.approx(reference.p_values(taps), abs=1e-6)
    assert p_values[18] == p_values.min()
    monitor = Monitor(reference, Clock())
    for part in np.split(np.delete(taps, 18, axis=0), np.cumsum(sizes)[:-1]):
        monitor.observe({"taps": part})
    held, whole = monitor.health().windows["start"], comparable(np.delete(taps, 18, axis=0))
    assert held.count == 699
    assert held.mean[..., :3] == pytest.approx(whole.mean(axis=0), rel=1e-9, abs=1e-12)
    assert held.variance[..., :3] == pytest.approx(whole.var(axis=0), rel=1e-9, abs=1e-12)


def test_rows_that_are_not_finite_are_counted_apart(reference: Reference) -> None:
    """A row of NaN gets the lowest p-value and leaves the statistics alone."""
    traffic = Traffic()
    monitor = Monitor(reference, Clock(), traffic)
    taps = taps_of(bundles.candidates(300))
    taps[5] = np.nan
    p_values = monitor.observe({"taps": taps})
    health = monitor.health()
    assert p_values[5] == p_values.min() < 0.01
    assert traffic.not_finite == 1
    assert health.windows["start"].count == 299
    assert np.isfinite(health.windows["start"].mean).all()


def test_windows_slide_and_keep_their_memory_constant() -> None:
    """Each window holds what its seconds say; a day of traffic holds no more than an hour's buckets."""
    windows = Windows((1,))
    for second in range(0, 86_400, 3):
        windows.add(Moments.of(np.array([[second]])), float(second))
    now = 86_397.0
    held = windows.read(now)
    assert held["start"].count == 28_800
    assert held["1h"].count == pytest.approx(1200, abs=21)  # a minute of them
    assert held["10m"].count == pytest.approx(200, abs=3)
    assert held["1m"].count == pytest.approx(20, abs=3)
    assert held["1m"].mean[0] == pytest.approx(now - 30, abs=5)
    assert len(windows.history().fine.ticks) == 120
    assert len(windows.history().coarse.ticks) == 60
    later = windows.read(now + 10_000)
    assert [later[name].count for name in WINDOWS] == [0, 0, 0, 28_800]


def test_a_window_merged_at_once_equals_numpy_on_all_of_it() -> None:
    """Merging buckets of different sizes gives mean and variance of everything in them."""
    rng = np.random.default_rng(0)
    windows, data = Windows((2,)), []
    for bucket in range(10):
        rows = 1e3 * bucket + rng.standard_normal((bucket + 1, 2))
        data.append(rows)
        windows.add(Moments.of(rows), 5.0 * bucket)
    whole, held = np.concatenate(data), windows.read(45.0)["1m"]
    assert held.count == len(whole)
    assert held.mean == pytest.approx(whole.mean(axis=0))
    assert held.variance == pytest.approx(whole.var(axis=0))
