"""What a trial's sums show, rule by rule."""

from typing import Any

import msgspec
import numpy as np
import pytest

from service.inference.trials.agreement import Agreement
from service.inference.trials.comparison import TrialSums, WatchedHealth, together
from service.inference.trials.finding import (
    ENOUGH_ROWS,
    ENOUGH_SECONDS,
    Finding,
    finding_of,
)


def health(verdict: str) -> WatchedHealth:
    """A version's health with this verdict."""
    return WatchedHealth(verdict, None, "as a test has it", None)


def sums(
    *,
    noise: float = 0.1,
    verdict: str = "healthy",
    fault: str | None = None,
    versions: tuple[int, int] = (1, 2),
    **fields: Any,
) -> TrialSums:
    """The sums over enough rows of two versions that differ by so much noise."""
    random = np.random.default_rng(0)
    first = random.normal(0.0, 2.0, (256, 1))
    second = first + random.normal(0.0, noise, first.shape)
    agreement = Agreement.of_none(1)
    calls = np.zeros(first.shape, np.bool_)
    agreement.add((first, second), (first, second), (calls, calls), np.arange(len(first)))
    agreement = msgspec.structs.replace(
        agreement, **{"rows": ENOUGH_ROWS, "seconds": (1.0, 2.0), **fields}
    )
    return TrialSums(*versions, agreement, (health("healthy"), health(verdict)), fault)


def test_a_challenger_that_answers_alike_in_time_waits_for_nothing() -> None:
    """Twice the champion's time is allowed, and a verdict that still warms up."""
    for verdict in ("healthy", "warming_up"):
        assert finding_of(sums(verdict=verdict), ENOUGH_SECONDS, gate=True) == Finding(None, None)


@pytest.mark.parametrize(
    ("found", "seconds", "gate", "waits"),
    [
        (sums(), ENOUGH_SECONDS, None, "it has not passed the promotion gate"),
        (sums(), ENOUGH_SECONDS, False, "it has not passed the promotion gate"),
        (sums(rows=9_999), ENOUGH_SECONDS, True, "9999 of 10000 rows in 600 of 600 seconds"),
        (sums(), 599.9, True, "10000 of 10000 rows in 600 of 600 seconds"),
        (sums(noise=2.6), ENOUGH_SECONDS, True, "the rows do not show that it answers as the champion"),
        (sums(verdict="degraded"), ENOUGH_SECONDS, True, "its activations are degraded: as a test has"),
        (sums(seconds=(1.0, 2.01)), ENOUGH_SECONDS, True, "it takes 2.0 times the champion's time"),
    ],
)
def test_what_a_challenger_waits_for(
    found: TrialSums, seconds: float, gate: bool | None, waits: str
) -> None:
    """Each condition is named, and none is a fault."""
    finding = finding_of(found, seconds, gate=gate)
    assert finding.fault is None
    assert finding.waits is not None
    assert finding.waits.startswith(waits)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (sums(failed=5), "5 runs of it failed, 0 rows have no finite number"),
        (sums(not_finite=5), "0 runs of it failed, 5 rows have no finite number"),
        (sums(noise=50.0), "it answers otherwise than the champion: concordance 0."),
        (sums(fault="its activations depart"), "its activations depart"),
    ],
)
def test_what_is_a_fault(found: TrialSums, fault: str) -> None:
    """It is named however short the trial and whatever the gate said; four failures are none."""
    finding = finding_of(found, 0.0, gate=None)
    assert finding.fault is not None
    assert finding.fault.startswith(fault)
    assert finding.waits == "it is at fault"
    assert finding_of(sums(failed=4, not_finite=4), 0.0, gate=None).fault is None


def test_workers_are_taken_together_where_they_compare_the_same_versions() -> None:
    """Their rows add up, and the health is that of the worker that has found a fault."""
    own, same = sums(rows=100), sums(rows=20, fault="it departs", verdict="unhealthy")
    other = sums(rows=3, fault="of another trial", versions=(1, 3))
    whole = together(own, [other, same])
    assert whole is not None
    assert whole.agreement.rows == 120
    assert whole.fault == "it departs"
    assert whole.health[1] == health("unhealthy")
    alone = together(own, [other])
    assert alone is not None
    assert (alone.agreement.rows, alone.fault) == (100, None)
    assert together(None, [own]) is None
