"""One thread that does the most urgent work first."""

import threading
from concurrent.futures import CancelledError

import pytest

from service.inference.featurization.priority_executor import PriorityExecutor


@pytest.fixture
def held():
    """A thread that is busy until the event is set."""
    turns, let_go, begun = PriorityExecutor("test"), threading.Event(), threading.Event()
    turns.submit(0.0, lambda: (begun.set(), let_go.wait(10)))
    assert begun.wait(10)
    yield turns, let_go
    let_go.set()
    turns.close()


def test_the_most_urgent_comes_first_and_equals_as_they_came(held) -> None:
    """Not the order of submission, unless two are equally urgent; a cancelled one is left out."""
    turns, let_go = held
    done: list[str] = []
    futures = {
        name: turns.submit(urgency, lambda name=name: done.append(name))
        for name, urgency in (("b1", 2.0), ("c", 3.0), ("gone", 0.5), ("b2", 2.0), ("a", 1.0))
    }
    assert futures.pop("gone").cancel()
    let_go.set()
    for future in futures.values():
        future.result(10)
    assert done == ["a", "b1", "b2", "c"]


def test_an_error_is_its_own_work_s_alone(held) -> None:
    """Whoever waits for it gets it; the thread goes on."""
    turns, let_go = held
    failing, fine = turns.submit(1.0, lambda: 1 // 0), turns.submit(2.0, lambda: "fine")
    let_go.set()
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    assert fine.result(10) == "fine"


def test_closing_cancels_what_waits(held) -> None:
    """Nobody is left waiting for a thread that has ended, and no more work is taken."""
    turns, _ = held
    waiting = turns.submit(1.0, lambda: None)
    turns.close()
    with pytest.raises(CancelledError):
        waiting.result(10)
    with pytest.raises(RuntimeError):
        turns.submit(1.0, lambda: None)
