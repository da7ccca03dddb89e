"""Rows beyond their bounds: marked, computed again, and counted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.health.detector import Detector
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from models.networks.outputs import MEMBER_LOGIT, SQUASHED
from service.health import windows
from service.health.monitor import Monitor
from service.health.row_owner import RowOwner
from service.inference.batcher import Compute
from service.inference.measurements.prediction_counter import PredictionCounter
from service.inference.measurements.row_sample import RowSample
from service.inference.suspect_rows import SuspectRows
from service.inference.trials.copies import Copies
from service.inference.watched_run import watched
from service.observability.counters import Traffic
from tests.support import bundles

Outputs = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """The small bundle's reference, with bounds."""
    made = bundles.run_all(bundles.graph(), bundles.candidates(3000, seed=9))
    rows = np.arange(len(made["taps"]))
    members = [MemberRows(made["taps"][:, member], rows) for member in range(bundles.MEMBERS)]
    return fit_reference(members, made[SQUASHED], made[MEMBER_LOGIT])


class FaultySession:
    """A session whose first runs are corrupted: one member's logit and last layer of some rows."""

    def __init__(self, wrong: dict[int, list[int]]) -> None:
        """``wrong`` names the rows that are computed wrongly, by the number of the run."""
        self.wrong, self.runs = wrong, list[int]()

    def run(self, rows: np.ndarray) -> Outputs:
        """Compute rows, of which some wrongly."""
        made = {name: array.copy() for name, array in bundles.run_all(bundles.graph(), rows).items()}
        for row in self.wrong.get(len(self.runs), []):
            made[MEMBER_LOGIT][row, 0] += 60.0
            made["logit"][row] += 60.0 / bundles.MEMBERS
            made["taps"][row, 0, -1, 0] = 1e6
        self.runs.append(len(rows))
        return made


class Setup:
    """A batch's computation as the loader makes it, with a session of the test's own."""

    def __init__(self, reference: Reference, session: FaultySession, *, again: bool = True) -> None:
        self.monitor, self.traffic, self.session = Monitor(reference), Traffic(), session
        rows = SuspectRows(session.run, self.monitor, self.traffic, again=again)
        self._compute: Compute = watched(
            session,
            self.monitor,
            RowSample(),
            Copies(),
            PredictionCounter(Traffic(), np.full(1, 0.5)),
            rows,
        )

    def compute(self, rows: np.ndarray) -> Outputs:
        """Compute a batch, of one request."""
        outputs = self._compute(rows, [RowOwner(None, len(rows))])
        self.traffic.computed(len(rows), 0.0)
        return dict(outputs)

    @property
    def counted(self) -> tuple[int, int, int]:
        """Rows that were suspect, computed again, and corrupted."""
        return self.traffic.suspect, self.traffic.recomputed, self.traffic.corrupted


@pytest.fixture
def setup(reference: Reference) -> Callable[..., Setup]:
    """Make a computation."""
    return lambda wrong, **options: Setup(reference, FaultySession(wrong), **options)


def test_ordinary_rows_are_computed_once(setup) -> None:
    """No row is suspect, and nothing is computed again."""
    made = setup({})
    outputs = made.compute(bundles.candidates(64, seed=3))
    assert not outputs["suspect"].any()
    assert made.session.runs == [64]
    assert made.counted == (0, 0, 0)
    assert made.monitor.corrupted_at is None


def test_a_transient_fault_is_mended(setup) -> None:
    """A row that is right the second time is answered by that, as its neighbours, and counted."""
    rows = bundles.candidates(64, seed=3)
    right = setup({}).compute(rows)
    made = setup({0: [7, 30]})
    outputs = made.compute(rows)
    assert made.session.runs == [64, 2]
    assert not outputs["suspect"].any()
    for name in ("logit", "probability", "taps", "p_value"):
        assert outputs[name] == pytest.approx(right[name], rel=1e-4, abs=1e-5), name
    assert made.counted == (0, 2, 2)
    assert made.monitor.corrupted_at is not None
    # The windows saw the right numbers.
    assert made.monitor.health().judgement.verdict == "healthy"


def test_a_lasting_fault_is_marked(setup) -> None:
    """A row that is the same the second time is answered as it is, and marked."""
    made = setup({0: [5], 1: [0]})
    outputs = made.compute(bundles.candidates(16, seed=3))
    assert np.flatnonzero(outputs["suspect"]).tolist() == [5]
    assert made.counted == (1, 1, 0)
    assert made.monitor.corrupted_at is None


def test_it_can_be_switched_off(setup) -> None:
    """Then rows are marked and never computed again."""
    made = setup({0: [5]}, again=False)
    outputs = made.compute(bundles.candidates(16, seed=3))
    assert np.flatnonzero(outputs["suspect"]).tolist() == [5]
    assert made.session.runs == [16]
    assert made.counted == (1, 0, 0)


def test_a_population_beyond_all_bounds_does_not_double_the_work(setup) -> None:
    """Of many suspect rows few are computed again: a reserve at first, then three of a hundred."""
    everything = {number: list(range(256)) for number in range(0, 200)}
    made = setup(everything)
    for _ in range(40):
        assert made.compute(bundles.candidates(256, seed=3))["suspect"].all()
    assert made.traffic.suspect == 40 * 256
    assert 512 <= made.traffic.recomputed <= 512 + 0.03 * 40 * 256


def test_a_reference_without_bounds_marks_nothing(reference: Reference) -> None:
    """Older bundles' answers have no such output."""
    made = Setup(replace(reference, rows=None), FaultySession({0: [5]}))
    assert "suspect" not in made.compute(bundles.candidates(16, seed=3))


def test_what_windows_see_of_a_mended_row_is_what_was_computed_again(
    setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its evidence of layers and of inputs is that of a batch without the fault."""
    rows = bundles.candidates(64, seed=3)
    kept = []
    for wrong in ({}, {0: [7]}):
        made = setup(wrong)
        monkeypatch.setattr(made.monitor, "take", lambda judged, *_: kept.append(judged))
        session = made.session

        def run(batch: np.ndarray, session: FaultySession = session) -> Outputs:
            outputs = FaultySession.run(session, batch)
            if len(session.runs) == 1 and session.wrong:
                outputs[SQUASHED][7] = 5.0
            return outputs

        session.run = run
        made.compute(rows)
    right, mended = kept
    assert mended.suspect is None
    assert mended.kept == pytest.approx(right.kept, rel=1e-4, abs=1e-4)
    assert mended.squashed == pytest.approx(right.squashed, rel=1e-4, abs=1e-4)


@pytest.fixture
def dense(
    reference: Reference, monkeypatch
) -> Callable[[FaultySession], tuple[Compute, FaultySession, Monitor]]:
    """Make a computation that watches a share of dense traffic, and its graph without taps."""
    monkeypatch.setattr(windows, "_BURST", 512.0)

    def make(lean: FaultySession) -> tuple[Compute, FaultySession, Monitor]:
        whole, monitor = FaultySession({}), Monitor(reference, clock=lambda: 1000.0, sampled=True)
        counter = PredictionCounter(Traffic(), np.full(1, 0.5))
        rows = SuspectRows(whole.run, monitor, Traffic(), again=True)
        return watched(whole, monitor, RowSample(), Copies(), counter, rows, lean), whole, monitor

    return make


def test_most_single_rows_of_dense_traffic_pass_the_graph_without_taps(dense) -> None:
    """Of 4,096 in a second the first 512 and an eighth are watched; all have their probability."""
    lean = FaultySession({})
    compute, whole, monitor = dense(lean)
    rows = bundles.candidates(4096, seed=3)
    answers = [compute(rows[at : at + 1], [RowOwner(None, 1)]) for at in range(4096)]
    assert len(whole.runs) + len(lean.runs) == 4096
    assert len(whole.runs) == pytest.approx(512 + 3584 / 8, rel=0.15)
    assert sum("p_value" in answer for answer in answers) == len(whole.runs)
    assert monitor.health().windows["1m"].count == len(whole.runs)
    shown = np.concatenate([answer["probability"] for answer in answers])
    np.testing.assert_allclose(
        shown, bundles.run_all(bundles.graph(), rows)["probability"], rtol=1e-4, atol=1e-6
    )


def test_most_blocks_of_dense_traffic_pass_the_graph_without_taps(dense) -> None:
    """Of 200 blocks in a second the first 8 and an eighth are watched, and have p-values, every row."""
    lean = FaultySession({})
    compute, whole, monitor = dense(lean)
    for number in range(200):
        rows = bundles.candidates(64, seed=number)
        answer = compute(rows, [RowOwner(None, 64)])
        if number < 8:
            assert "p_value" in answer
        right = bundles.run_all(bundles.graph(), rows)["probability"]
        np.testing.assert_allclose(answer["probability"], right, rtol=1e-5, atol=1e-6)
    assert len(whole.runs) + len(lean.runs) == 200
    assert len(whole.runs) == pytest.approx(8 + 192 / 8, rel=0.5)
    assert monitor.health().windows["1m"].count == 64 * len(whole.runs)


def test_a_wrong_logit_in_the_graph_without_taps_is_computed_again(dense) -> None:
    """One member's logit far from the others' is beyond its bounds: the whole graph answers."""
    lean = FaultySession({run: [0] for run in range(4000)})
    compute, whole, _ = dense(lean)
    rows = bundles.candidates(2000, seed=3)
    answers = [compute(rows[at : at + 1], [RowOwner(None, 1)]) for at in range(2000)]
    assert len(lean.runs) > 1000
    assert len(whole.runs) == 2000
    right = bundles.run_all(bundles.graph(), rows)["probability"]
    shown = np.concatenate([answer["probability"] for answer in answers])
    np.testing.assert_allclose(shown, right, rtol=1e-4, atol=1e-6)


def test_a_row_alone_agrees_as_it_does_in_a_block(reference: Reference) -> None:
    """Logits within and beyond their bounds, and no numbers: one row is told as many are."""
    detector = Detector(reference)
    logits = bundles.run_all(bundles.graph(), bundles.candidates(64, seed=5))[MEMBER_LOGIT].copy()
    logits[::3, 0] += np.linspace(-40.0, 40.0, len(logits[::3]))[:, None]
    logits[5, 1], logits[6, 0] = np.nan, np.inf
    alone = [detector.agrees(logits[at : at + 1]) for at in range(64)]
    twice = [detector.agrees(np.repeat(logits[at : at + 1], 2, axis=0)) for at in range(64)]
    assert alone == twice
    assert 8 < sum(alone) < 60
    assert not alone[5]
    assert not alone[6]
