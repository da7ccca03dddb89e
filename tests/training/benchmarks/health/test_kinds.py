"""Faults by their kind do what their names say, and their table counts what was tried."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra train is not installed")

from training.benchmarks.harness import Results
from training.benchmarks.health.kinds.faults import Wrong, wrong_inputs
from training.benchmarks.health.kinds.run import kinds_report
from training.benchmarks.health.kinds.trial import KIND_KEYS, KINDS

NAMES = ("a", "b", "c", "d")
ROWS = np.random.default_rng(0).normal(5.0, 2.0, (50, 4)).astype(np.float32)
FAULTS = wrong_inputs(NAMES, ROWS)


def applied(fault: Wrong) -> np.ndarray:
    """The rows under a fault of the inputs."""
    assert fault.apply is not None
    return fault.apply(ROWS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} {fault.name}")
def test_a_fault_changes_the_columns_that_it_names_and_no_others(fault: Wrong) -> None:
    """Swapped columns hold each other's values, shuffled ones another's, constant ones one value."""
    before, rows = ROWS.copy(), applied(fault)
    np.testing.assert_array_equal(ROWS, before)
    changed = {at for at in range(4) if not np.array_equal(rows[:, at], ROWS[:, at])}
    assert changed == set(fault.place)
    if fault.kind in ("swapped", "shuffled"):
        source = [int(np.flatnonzero((rows[:, [at]] == ROWS).all(axis=0))[0]) for at in range(4)]
        assert sorted(source) == [0, 1, 2, 3]
        twice = [source[source[at]] for at in range(4)]
        assert (twice == [0, 1, 2, 3]) == (fault.kind == "swapped")
    if fault.kind == "constant":
        assert (rows[:, fault.place[0]] == rows[0, fault.place[0]]).all()


def test_the_table_counts_trials_and_bounds_what_never_happened(tmp_path) -> None:
    """Three hundred trials without a wrong one: at most 1 %, as 3 / n says."""
    results = Results(tmp_path / "kinds.csv", KIND_KEYS, KINDS)
    for number, right in enumerate((150, 120)):
        job = {"model": "m", "bundle": "b", "kind": "swapped", "fault": f"f{number}", "size": 64}
        counts = {
            "trials": 160,
            "turned": 150,
            "right": right,
            "place": 75,
            "origin ever": 1,
            "origin": 0,
        }
        results.add(job, counts)
    report = kinds_report(results)
    line = next(line for line in report.splitlines() if line.startswith("| swapped | 64 |"))
    assert line == "| swapped | 64 | 2 | 320 | 300 | 0.900 | 0.500 | 2 | 0 | 0.99 % |"
    assert "Least often named: swapped: f1 (0.80)." in report
