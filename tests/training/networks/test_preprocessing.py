"""Raw features of any size become finite, roughly standardised network inputs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import yeojohnson

from training.networks.preprocessing import Block, Squash, fit_squash

NAMES = ("count:a", "skewed", "binary", "constant", "holes")


def rows(n: int = 4000) -> np.ndarray:
    """Made-up features: counts, a heavy tail, a bit, a constant, and undefined values."""
    rng = np.random.default_rng(0)
    holes = rng.normal(5, 2, n)
    holes[::7] = np.nan
    columns = [rng.poisson(1, n), rng.lognormal(0, 2, n), rng.integers(0, 2, n), np.full(n, 3.0), holes]
    return np.stack(columns, axis=1).astype(np.float32)


BLOCKS = (Block("count:", power=0.0, weight=0.5), Block("", limit=5.0))


def test_inputs_are_standardised() -> None:
    """Mean 0 and spread near 1 for features of every shape; a constant has no weight."""
    with torch.no_grad():
        made = fit_squash(rows(), NAMES, BLOCKS)(torch.from_numpy(rows())).numpy()
    assert np.abs(made[:, [1, 2, 4]].mean(axis=0)).max() < 0.15
    assert made[:, [1, 2, 4]].std(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    assert not made[:, 3].any()
    assert np.abs(made[:, 0]).max() <= 0.5


def test_undefined_values_become_the_median() -> None:
    """NaN is answered as the feature's median is."""
    squash = fit_squash(rows(), NAMES, BLOCKS)
    median = np.nanmedian(rows()[:, 4])
    pair = rows(2)
    pair[0, :], pair[1, :] = 1, 1
    pair[0, 4], pair[1, 4] = np.nan, median
    with torch.no_grad():
        first, second = squash(torch.from_numpy(pair)).numpy()
    assert first == pytest.approx(second)


@given(
    hnp.arrays(np.float32, (3, 5), elements=st.floats(width=32, allow_infinity=False, allow_nan=True))
)
def test_any_input_gives_a_finite_output(raw: np.ndarray) -> None:
    """No float32, however large, and no NaN leaves the squash as anything but a bounded number."""
    with torch.no_grad():
        made = SQUASH(torch.from_numpy(raw)).numpy()
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= 5


SQUASH = fit_squash(rows(), NAMES, BLOCKS)


@pytest.mark.parametrize("power", [-1.5, -0.3, 0.0, 0.5, 1.0, 2.0, 2.7])
def test_the_power_transform_is_yeo_and_johnsons(power: float) -> None:
    """The graph's transform equals scipy's on both sides of zero."""
    x = np.linspace(-20, 20, 401)
    table = np.array([[0.0], [power], [0.0], [1e3], [1e6], [1.0]], dtype=np.float32)
    with torch.no_grad():
        got = Squash(table)(torch.from_numpy(x.astype(np.float32))[:, None]).numpy()[:, 0]
    wanted = yeojohnson(x, lmbda=power) / 1e3
    assert got == pytest.approx(wanted, rel=2e-4, abs=1e-6)
