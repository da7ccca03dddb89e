"""The theory's functions against quadrature and the paper's figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erfc
from scipy.stats import norm

from models.networks import selu


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
    """[[0, .088834], [0, .782648]] at (0, 1), and the norm .8976 at the worst corner of Omega."""
    assert selu.jacobian(0, 0, 1, 1) == pytest.approx(np.array([[0, 0.088834], [0, 0.782648]]), abs=1e-6)
    worst = selu.jacobian(-0.1, -0.1, 0.8, 1.1)
    assert np.linalg.norm(worst, 2) == pytest.approx(0.897608, abs=1e-6)


@given(st.floats(-2, 2), st.floats(-1, 1), st.floats(0.05, 20), st.floats(0.5, 2))
def test_the_jacobian_is_the_slope_of_the_map(mu: float, omega: float, nu: float, tau: float) -> None:
    """Central differences of g agree with the closed form."""
    step = 1e-5 * nu
    by_mean = np.subtract(
        selu.moment_map(mu + step, omega, nu, tau), selu.moment_map(mu - step, omega, nu, tau)
    )
    by_variance = np.subtract(
        selu.moment_map(mu, omega, nu + step, tau), selu.moment_map(mu, omega, nu - step, tau)
    )
    slope = np.stack((by_mean, by_variance), axis=1) / (2 * step)
    assert selu.jacobian(mu, omega, nu, tau) == pytest.approx(slope, rel=1e-4, abs=1e-5)


@given(st.floats(-1e3, 1e3), st.floats(-10, 10), st.floats(1e-6, 1e8), st.floats(1e-3, 10))
def test_the_jacobian_is_finite_everywhere(mu: float, omega: float, nu: float, tau: float) -> None:
    """No product of exponential and error function overflows (warnings are errors here)."""
    assert np.isfinite(selu.jacobian(mu, omega, nu, tau)).all()


def test_a_jacobian_needs_a_positive_variance() -> None:
    """At a certain input of 0 SELU has a kink, hence no derivative."""
    with pytest.raises(ValueError, match="positive"):
        selu.jacobian(0, 0, 0, 1)


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
