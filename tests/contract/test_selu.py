"""The theory's functions against quadrature and the paper's figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erfc
from scipy.stats import norm

from models import selu


def test_constants_are_the_closed_form_of_the_fixed_point() -> None:
    """Alpha follows from the requirement that (0, 1) is mapped to itself (paper, eq. 14)."""
    alpha = -np.sqrt(2 / np.pi) / (np.sqrt(np.e) * erfc(1 / np.sqrt(2)) - 1)
    assert pytest.approx(alpha, rel=1e-14) == selu.ALPHA


def test_the_fixed_point_is_fixed() -> None:
    """g(0, 0, 1, 1) = (0, 1)."""
    mean, variance = selu.moment_map(0, 0, 1, 1)
    assert mean == pytest.approx(0, abs=1e-15)
    assert variance == pytest.approx(1, abs=1e-14)


def test_the_jacobian_at_the_fixed_point_is_the_papers() -> None:
    """Differences around (0, 1) reproduce [[0, .088834], [0, .782648]]."""
    step = 1e-6
    by_mean = np.subtract(selu.moment_map(step, 0, 1, 1), selu.moment_map(-step, 0, 1, 1))
    by_variance = np.subtract(selu.moment_map(0, 0, 1 + step, 1), selu.moment_map(0, 0, 1 - step, 1))
    assert by_mean / (2 * step) == pytest.approx([0, 0], abs=1e-6)
    assert by_variance / (2 * step) == pytest.approx([0.088834, 0.782648], abs=1e-6)


@given(st.floats(-6, 6), st.floats(0.01, 30))
def test_moments_agree_with_quadrature(mean: float, variance: float) -> None:
    """Mean and variance of SELU of a Gaussian equal their integrals."""
    spread = np.sqrt(variance)

    def moment(power: int) -> float:
        return quad(
            lambda z: selu.selu(z) ** power * norm.pdf(z, mean, spread),
            mean - 12 * spread,
            mean + 12 * spread,
            points=[0.0],
            limit=200,
        )[0]

    first, second = moment(1), moment(2)
    got_mean, got_variance = selu.selu_moments(mean, variance)
    assert got_mean == pytest.approx(first, abs=1e-6)
    assert got_variance == pytest.approx(second - first**2, rel=1e-5, abs=1e-6)


@given(st.floats(-1e4, 1e4), st.floats(0, 1e8))
def test_moments_are_finite_everywhere(mean: float, variance: float) -> None:
    """No product of exponential and error function overflows (warnings are errors here)."""
    got = selu.selu_moments(mean, variance)
    assert np.isfinite(got).all()
    assert got[1] >= 0


def test_a_certain_input_gives_selu_itself() -> None:
    """Variance 0 leaves no spread."""
    mean, variance = selu.selu_moments([-2.0, 0.0, 3.0], 0.0)
    assert mean == pytest.approx(selu.selu([-2.0, 0.0, 3.0]))
    assert variance == pytest.approx(0, abs=1e-12)


def test_a_negative_variance_is_refused() -> None:
    """A variance below 0 is a caller's mistake."""
    with pytest.raises(ValueError, match="negative"):
        selu.selu_moments(0, -1)


@pytest.mark.parametrize(("rate", "scale", "shift"), [(0.05, 0.95484, 0.08394), (0.1, 0.92128, 0.16197)])
def test_alpha_dropout_has_the_papers_constants(rate: float, scale: float, shift: float) -> None:
    """The affine correction at the paper's two rates."""
    correction = selu.alpha_dropout(rate)
    assert (correction.scale, correction.shift) == pytest.approx((scale, shift), abs=1e-5)


@given(st.floats(0, 0.9))
def test_alpha_dropout_keeps_mean_and_variance(rate: float) -> None:
    """Scale * (x or alpha') + shift has mean 0 and variance 1 where x has."""
    correction = selu.alpha_dropout(rate)
    keep = 1 - rate
    mean = rate * selu.SATURATION
    variance = keep + keep * rate * selu.SATURATION**2
    assert correction.scale * mean + correction.shift == pytest.approx(0, abs=1e-12)
    assert correction.scale**2 * variance == pytest.approx(1)


def test_a_rate_of_one_is_refused() -> None:
    """Dropping everything keeps nothing."""
    with pytest.raises(ValueError, match="rate"):
        selu.alpha_dropout(1.0)
