"""Merged moments against numpy on the concatenated data."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.health.moments import Moments

PARTS = st.lists(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 20), st.just(3)),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    max_size=8,
)


@given(PARTS)
def test_merging_equals_seeing_everything_at_once(parts: list[np.ndarray]) -> None:
    """Any split of any data merges to numpy's mean and variance of the whole."""
    total = reduce(Moments.merge, map(Moments.of, parts), Moments.empty((3,)))
    whole = np.concatenate([*parts, np.zeros((0, 3))]).astype(np.float64)
    assert total.count == len(whole)
    if len(whole):
        size = max(1.0, float(np.abs(whole).max()))
        assert total.mean == pytest.approx(whole.mean(axis=0), abs=1e-9 * size)
        assert total.variance == pytest.approx(whole.var(axis=0), abs=1e-9 * size**2)


def test_a_long_run_with_a_large_offset_stays_exact() -> None:
    """A million observations around 1e6 keep their variance of 1e-4, which sums of squares lose."""
    rng = np.random.default_rng(0)
    data = 1e6 + 1e-2 * rng.standard_normal((1000, 1000))
    total = reduce(Moments.merge, (Moments.of(block[:, None]) for block in data))
    assert total.variance[0] == pytest.approx(data.var(), rel=1e-6)


def test_no_observations_have_no_variance() -> None:
    """Empty moments are neutral in a merge and give zeros."""
    one = Moments.of([[1.0, 2.0]])
    assert Moments.empty((2,)).merge(one) is one
    assert one.merge(Moments.empty((2,))) is one
    assert Moments.empty((2,)).variance.tolist() == [0.0, 0.0]
