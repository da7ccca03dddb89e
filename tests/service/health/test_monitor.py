"""The monitor against whole-data statistics, with a clock of the test's own."""

import threading
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle.manifest import MODEL_FILE, REFERENCE_FILE, Manifest
from models.health.detector import Detector
from models.health.evidence import CELLS, Sums
from models.health.reference import Reference
from models.networks.outputs import SQUASHED
from models.networks.selu import SATURATION
from service.health.accumulator import StatisticsAccumulator
from service.health.baselines import Baselines, TakenBaseline
from service.health.layer_statistics import layer_statistics
from service.health.monitor import Monitor
from service.health.outliers import OutlierLog
from service.health.row_owner import RowOwner
from service.health.windows import read
from service.observability.counters import Traffic
from tests.support import bundles, oracle


class Key(NamedTuple):
    """An API key, as far as the monitor knows it."""

    name: str


class Request:
    """A request, told apart from others by identity."""

    synthetic = False

    def __init__(self, request_id: bytes, key: Key | None = None) -> None:
        self.request_id, self.key = request_id, key


class Clock:
    """A monotonic clock that goes where the test says."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    """The small bundle's reference."""
    folder = tmp_path_factory.mktemp("bundle")
    bundles.write_bundle(folder, 1)
    assert (folder / MODEL_FILE).exists()
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    return Reference.from_bytes((folder / REFERENCE_FILE).read_bytes(), manifest.reference, 8)


def outputs_of(rows: np.ndarray, **options: float) -> dict[str, np.ndarray]:
    """The small network's outputs for these rows."""
    return bundles.run_all(bundles.graph(**options), rows)


def monitor_of(reference: Reference, clock: Clock | None = None, **options: object) -> Monitor:
    """A monitor that knows its features' names."""
    return Monitor(reference, clock or Clock(), names=[f"f{n}" for n in range(8)], **options)


def requests(sizes: list[int], first: int = 0) -> list[RowOwner]:
    """Parts of so many rows, each of a request of its own; ids are numbered from the first."""
    return [RowOwner(Request(b"r%d" % number), size) for number, size in enumerate(sizes, first)]


def test_it_warms_up_and_then_finds_ordinary_traffic_healthy(reference: Reference) -> None:
    """Rows like the reference's need a number before a verdict, which is then healthy."""
    monitor = monitor_of(reference)
    monitor.observe(outputs_of(bundles.candidates(10)))
    health = monitor.health()
    assert health.judgement.verdict == "warming_up"
    assert health.windows["1m"].count == 10
    monitor.observe(outputs_of(bundles.candidates(500, seed=1)))
    health = monitor.health()
    assert health.judgement.verdict == "healthy"
    assert health.judgement.origin is None
    assert health.judgement.first_departing is None


def test_a_monitor_of_nothing_judges_nothing(reference: Reference) -> None:
    """Windows without rows, with one row, and of constant rows have numbers and no alarm."""
    monitor = monitor_of(reference)
    assert monitor.health().judgement.verdict == "warming_up"
    monitor.observe(outputs_of(bundles.candidates(1)), requests([1]))
    health = monitor.health()
    assert np.isfinite(health.effects["1m"].largest)
    monitor = monitor_of(reference)
    same = np.repeat(bundles.candidates(1), 300, axis=0)
    monitor.observe(outputs_of(same), requests([300]))
    assert monitor.health().judgement.verdict == "healthy"


def test_shifted_inputs_are_named_as_such(reference: Reference) -> None:
    """Inputs scaled by a forgotten factor are the inputs' fault, and the features are named."""
    monitor = monitor_of(reference)
    monitor.observe(outputs_of(3 * bundles.candidates(500)))
    judgement = monitor.health().judgement
    assert judgement.verdict == "unhealthy"
    assert judgement.origin == "input"
    assert judgement.first_departing is not None
    assert judgement.first_departing[1] == 0
    assert "the inputs have moved" in judgement.reason
    assert "most in f" in judgement.reason


def test_a_faulty_layer_is_named_as_the_models(reference: Reference) -> None:
    """Weights of the second layer doubled leave the first as it was."""
    monitor = monitor_of(reference)
    monitor.observe(outputs_of(bundles.candidates(500), scale_layer=2.0))
    judgement = monitor.health().judgement
    assert judgement.verdict == "unhealthy"
    assert judgement.origin == "model"
    assert judgement.first_departing is not None
    assert judgement.first_departing[1] == 1
    assert "layer 2" in judgement.reason


def test_a_verdict_passes_when_the_fault_has(reference: Reference) -> None:
    """Ten minutes after the last faulty row the windows that decide hold healthy ones alone."""
    clock = Clock()
    monitor = monitor_of(reference, clock)
    monitor.observe(outputs_of(3 * bundles.candidates(500)))
    assert monitor.health().judgement.verdict == "unhealthy"
    clock.now += 700
    monitor.observe(outputs_of(bundles.candidates(500)))
    health = monitor.health()
    assert health.judgement.verdict == "healthy"
    assert health.windows["1h"].count == 1000


def test_a_clock_that_jumps_back_loses_nothing(reference: Reference) -> None:
    """Rows that come at an earlier time are counted in the latest bucket."""
    clock = Clock()
    monitor = monitor_of(reference, clock)
    monitor.observe(outputs_of(bundles.candidates(100)))
    monitor.health()
    clock.now -= 500
    monitor.observe(outputs_of(bundles.candidates(100)))
    clock.now += 501
    assert monitor.health().windows["1m"].count == 200


def test_statistics_are_those_of_all_units_of_all_rows(reference: Reference) -> None:
    """Many small batches give the pooled moments and the monotone sums of the data as a whole."""
    traffic = Traffic()
    monitor = monitor_of(reference, traffic=traffic)
    outputs = outputs_of(bundles.candidates(700))
    for start in range(0, 700, 7):
        monitor.observe({name: array[start : start + 7] for name, array in outputs.items()})
    window = monitor.health().windows["start"]
    mean, variance, saturated = layer_statistics(monitor.detector, window)
    whole = outputs["taps"].astype(np.float64)
    assert mean == pytest.approx(whole[..., 0].mean(axis=0), abs=1e-6)
    assert saturated == pytest.approx(whole[..., 2].mean(axis=0), abs=1e-6)
    second = (whole[..., 1] + whole[..., 0] ** 2).mean(axis=0)
    assert variance == pytest.approx(second - whole[..., 0].mean(axis=0) ** 2, rel=1e-6)
    sums = traffic.activations
    assert sums is not None
    assert sums.rows == 700
    assert sums.shifted / sums.rows + SATURATION == pytest.approx(mean, abs=1e-6)
    spread = sums.squared / sums.rows - (sums.shifted / sums.rows) ** 2
    assert spread == pytest.approx(variance, rel=1e-5)


@settings(deadline=None, max_examples=25)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 12), st.integers(2, 90)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
def test_requests_are_one_piece_of_evidence_however_they_are_cut(
    pieces: list[tuple[int, int]], seed: int
) -> None:
    """Parts of a dozen requests in any order and size give the sums that counting by request gives."""
    total = sum(size for _, size in pieces)
    reference = bundles.reference()  # not a fixture: hypothesis would print all of it
    detector = Detector(reference)
    accumulator = StatisticsAccumulator(detector, OutlierLog())
    outputs = outputs_of(bundles.candidates(total, seed=seed))
    start, asked = 0, {request: Request(b"the same") for request, _ in pieces}
    for request, size in pieces:
        rows = slice(start, start + size)
        p_values, judged = detector.judge(outputs["taps"][rows], outputs[SQUASHED][rows])
        accumulator.add(judged, p_values, [RowOwner(asked[request], size)], 0.0)
        start += size
    taken = accumulator.take(0.0)
    counts, sums = taken.counts, Sums.of(taken.counts, taken.values, detector.layout)
    _, out = oracle.judged(reference, outputs["taps"], outputs[SQUASHED])
    evidence = out[:, detector.layout.evidence]
    owner = np.repeat([request for request, _ in pieces], [size for _, size in pieces])
    groups = [evidence[owner == one] for one in np.unique(owner)]
    sizes = np.array([len(group) for group in groups])
    assert counts == pytest.approx([total, len(groups), np.square(sizes).sum()])
    within = sum(np.square(group - group.mean(axis=0)).sum(axis=0) for group in groups)
    capped = sum(np.clip(group, -3, 3).mean(axis=0) for group in groups)
    means = sum(np.stack([group.mean(axis=0), np.square(group).mean(axis=0)]) for group in groups)
    assert sums.total == pytest.approx(out.sum(axis=0), abs=1e-5 * total + 1e-4)
    assert sums.squared == pytest.approx(np.square(out).sum(axis=0), abs=1e-5 * total + 1e-4)
    assert sums.within == pytest.approx(within, abs=1e-5 * total + 1e-4)
    assert taken.capped == pytest.approx(capped, abs=1e-5 * total + 1e-4)
    assert sums.by_request == pytest.approx(means, abs=1e-5 * total + 1e-4)
    assert sums.cells.sum() == pytest.approx(total)
    blocks, evidence = taken.pieces, detector.layout.evidence
    assert sum(one.counts.sum(axis=0) for one in blocks) == pytest.approx(counts)
    width = evidence.stop - evidence.start
    of_blocks = sum(one.values.sum(axis=0, dtype=float) for one in blocks)
    expected = [sums.total[evidence], sums.squared[evidence], sums.within, sums.cells, taken.features]
    assert of_blocks == pytest.approx(np.concatenate(expected), abs=2e-5 * total + 1e-3)
    assert len(of_blocks) == 3 * width + CELLS + len(taken.features)


@pytest.mark.parametrize("sizes", [[700], [1, 255, 256, 188], [200, 200, 300], [3] * 233 + [1]])
def test_batches_of_any_size_make_no_difference(reference: Reference, sizes: list[int]) -> None:
    """However rows are cut into batches, p-values are those of all of them at once."""
    outputs = outputs_of(2 * bundles.candidates(700))
    outputs["taps"][17, ..., 1] = 0  # a layer that died
    outputs["taps"][18, ..., 0] = np.inf
    monitor = monitor_of(reference)
    places = np.cumsum(sizes)[:-1]
    cut = {name: np.split(array, places) for name, array in outputs.items()}
    with np.errstate(invalid="ignore"):
        p_values = np.concatenate(
            [monitor.observe({name: parts[n] for name, parts in cut.items()}) for n in range(len(sizes))]
        )
        assert p_values == pytest.approx(monitor.detector.p_values(outputs), abs=2e-6)
    assert p_values[18] == p_values.min()
    assert monitor.health().windows["start"].count == 699


def test_rows_that_are_not_finite_are_counted_apart(reference: Reference) -> None:
    """A row of NaN gets the lowest p-value and leaves the statistics alone."""
    traffic = Traffic()
    monitor = monitor_of(reference, traffic=traffic)
    outputs = outputs_of(bundles.candidates(300))
    outputs["taps"][5] = np.nan
    p_values = monitor.observe(outputs, requests([100, 200]))
    health = monitor.health()
    assert p_values[5] == p_values.min() < 0.01
    assert traffic.not_finite == 1
    assert health.windows["start"].count == 299
    assert health.windows["start"].requests == 2
    assert np.isfinite(health.windows["start"].values).all()
    assert [row.request_id for row in monitor.departing()] == ["r0"]


def test_histories_read_while_rows_come_are_whole(reference: Reference) -> None:
    """Threads that observe and one that reads: no count is lost, none ever falls, none is half there."""
    traffic = Traffic()
    monitors = [monitor_of(reference, traffic=traffic) for _ in range(2)]
    outputs = outputs_of(bundles.candidates(8))
    outputs["taps"][7] = np.nan
    counts: list[int] = []

    def observe(monitor: Monitor) -> None:
        with np.errstate(invalid="ignore"):
            for _ in range(200):
                monitor.observe(outputs, requests([3, 5]))

    threads = [threading.Thread(target=observe, args=[each]) for each in (*monitors, *monitors)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        windows = read([monitor.history() for monitor in monitors], 1000.0)
        assert windows["1m"].count == windows["start"].count
        assert windows["1m"].values == pytest.approx(windows["start"].values, rel=1e-3, abs=1e-2)
        counts.append(windows["start"].count)
    for monitor in monitors:
        monitor.history()
    assert counts == sorted(counts)
    assert traffic.activations is not None
    assert (traffic.activations.rows, traffic.not_finite) == (4 * 200 * 7, 4 * 200)


def test_the_furthest_rows_are_kept_by_their_requests_ids(reference: Reference) -> None:
    """A bounded number, the strangest first, without features unless they are allowed."""
    for allowed in (False, True):
        clock = Clock()
        monitor = monitor_of(reference, clock, keep_features=allowed)
        rows = bundles.candidates(400)
        rows[::10] *= 4
        for number, row in enumerate(rows):
            monitor.observe(outputs_of_one(row), requests([1], number))
        held = monitor.departing()
        assert len(held) == 16
        assert all(int(one.request_id[1:]) % 10 == 0 for one in held)
        assert [one.p_value for one in held] == sorted(one.p_value for one in held)
        assert all((one.features is not None) == allowed for one in held)
        clock.now += 4000
        assert monitor.departing() == []


_GRAPH = bundles.graph()


def outputs_of_one(row: np.ndarray) -> dict[str, np.ndarray]:
    """One row's outputs, by the batch of all of them."""
    key = row.tobytes()
    if key not in _one:
        _one[key] = bundles.run_all(_GRAPH, row[None])
    return _one[key]


_one: dict[bytes, dict[str, np.ndarray]] = {}


def test_a_baseline_is_the_centre_where_it_was_taken(reference: Reference) -> None:
    """Traffic that has moved is healthy against a baseline of itself, and ordinary traffic is not."""
    monitor = monitor_of(reference)
    moved = outputs_of(bundles.candidates(4000) + 0.8 * bundles.SPREAD)
    monitor.observe(moved)
    health = monitor.health()
    assert health.judgement.verdict in ("degraded", "unhealthy")
    monitor.baseline = monitor.baseline_of(health.windows["start"], bundles.datetime.now(bundles.UTC))
    assert monitor.health().judgement.verdict == "healthy"
    other = monitor_of(reference)
    other.baseline = monitor.baseline
    other.observe(outputs_of(bundles.candidates(4000)))
    assert other.health().judgement.verdict in ("degraded", "unhealthy")


def test_a_baseline_is_kept_and_a_corrupted_one_is_named_and_replaced(tmp_path) -> None:
    """What is written is read again; a byte that changed is noticed; the next one replaces it."""
    taken = TakenBaseline(
        model="m", version=3, rows=1000, requests=10, window="10m",
        taken_at=bundles.datetime.now(bundles.UTC), by="ann", offset=[1.0, 2.5], features=None,
    )  # fmt: skip
    held = Baselines(tmp_path)
    assert held.read("m") == (None, None)
    held.write(taken)
    assert Baselines(tmp_path).read("m") == (taken, None)
    path = tmp_path / "baselines" / "m.json"
    content = path.read_bytes()
    for broken in (content.replace(b"2.5", b"2.6"), content[:-9], b"", b"\xff"):
        path.write_bytes(broken)
        found, wrong = held.read("m")
        assert found is None
        assert wrong == "baselines/m.json is corrupted and ignored; take the baseline anew"
    held.write(taken)
    assert held.read("m") == (taken, None)
    assert held.drop("m")
    assert not held.drop("m")
