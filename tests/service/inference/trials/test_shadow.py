"""The thread that computes again what was answered."""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from service.inference.trials.comparison import Computed
from service.inference.trials.shadow import ROOM, Shadow


class Notes:
    """In the place of a comparison: what it is told."""

    def __init__(self) -> None:
        self.added: list[tuple[int, int]] = []
        self.dropped = self.failures = 0

    def add(self, champion: Computed, challenger: Computed) -> None:
        """Note the rows of a run, by both."""
        self.added.append((len(champion.rows), len(challenger.rows)))

    def shed(self, rows: int) -> None:
        """Count dropped rows."""
        self.dropped += rows

    def failed(self) -> None:
        """Count a run that raised."""
        self.failures += 1


def compared(sizes: list[int], run: Any) -> tuple[Notes, list[int]]:
    """Batches of these sizes offered while rows wait for the answering version, and then computed.

    Also returns the rows of each run of the other version.
    """
    runs: list[int] = []

    def noted(rows: np.ndarray) -> dict[str, np.ndarray]:
        runs.append(len(rows))
        return run(rows)

    notes, batcher = Notes(), SimpleNamespace(waiting=1)
    session = SimpleNamespace(run=noted, may_block=False)
    other: Any = SimpleNamespace(label="m@2", session=session, lane=None)
    answered: Any = SimpleNamespace(batcher=batcher)
    shadow = Shadow(answered, other, notes, answers_first=True)  # type: ignore[arg-type]
    for size in sizes:
        shadow.offer(np.zeros((size, 2), np.float32), [], {"same": np.zeros((size, 1))}, 0.001)
    time.sleep(0.3)
    assert runs == []
    batcher.waiting = 0
    end = time.monotonic() + 5
    while sum(runs) + notes.dropped < sum(sizes) and time.monotonic() < end:
        time.sleep(0.01)
    shadow.close()
    return notes, runs


def test_jobs_are_computed_together_up_to_the_rows_of_a_run() -> None:
    """A run has 64 rows at most, but for a larger job; none begins while rows wait to be answered."""
    notes, runs = compared([30, 34, 1, 64, 65, 3], lambda rows: {"same": rows[:, :1]})
    assert runs == [64, 1, 64, 65, 3]
    assert notes.added == [(size, size) for size in runs]
    assert (notes.dropped, notes.failures) == (0, 0)


def test_a_full_queue_drops_what_comes() -> None:
    """The oldest rows stay, and those that find no room are counted."""
    notes, runs = compared([ROOM - 1, 2, 1, 1], lambda rows: {"same": rows[:, :1]})
    assert sum(runs) == ROOM
    assert notes.dropped == 3


def test_a_run_that_fails_is_counted_and_the_next_one_computed() -> None:
    """An error of the other version ends neither the thread nor the trial."""

    def run(rows: np.ndarray) -> dict[str, np.ndarray]:
        if len(rows) == 64:
            raise RuntimeError("a made-up fault")
        return {"same": rows[:, :1]}

    notes, runs = compared([64, 5], run)
    assert runs == [64, 5]
    assert notes.failures == 1
    assert notes.added == [(5, 5)]
