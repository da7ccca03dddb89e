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


@given(st.floats(-0.4, 0.4), st.floats(0.3, 4))
def test_constants_make_any_point_the_fixed_point(ratio: float, variance: float) -> None:
    """With the solved alpha and lambda, SELU's moments of N(0, nu) are (mu, nu), by quadrature."""
    spread = np.sqrt(variance)
    mean = ratio * spread
    alpha, scale = selu.constants_for(mean, variance)
    z = np.linspace(-12 * spread, 12 * spread, 200_001)
    weight = norm.pdf(z, 0, spread) * (z[1] - z[0])
    value = scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))
    assert (weight * value).sum() == pytest.approx(mean, abs=1e-5)
    assert (weight * (value - mean) ** 2).sum() == pytest.approx(variance, rel=1e-4)


def test_constants_of_known_fixed_points() -> None:
    """(0, 1) gives the paper's constants, (0, 2) those of its supplement."""
    assert selu.constants_for(0, 1) == pytest.approx((selu.ALPHA, selu.LAMBDA), rel=1e-12)
    assert selu.constants_for(0, 2) == pytest.approx((1.97126, 1.06071), abs=1e-5)


@pytest.mark.parametrize("point", [(0.0, 0.0), (0.0, float("inf")), (50.0, 1.0), (-50.0, 1.0)])
def test_an_impossible_fixed_point_is_refused(point: tuple[float, float]) -> None:
    """There must be a positive alpha and lambda that keep it."""
    with pytest.raises(ValueError, match="constants_for"):
        selu.constants_for(*point)


@pytest.mark.slow
@given(st.floats(-0.1, 0.1), st.floats(0.8, 1.5))
def test_iteration_ends_at_the_fixed_point(mean: float, variance: float) -> None:
    """From anywhere in Omega, 200 layers of normalised weights lead to (0, 1)."""
    path = selu.iterate(mean, variance, 200)
    assert path.shape == (201, 2)
    assert path[0] == pytest.approx([mean, variance])
    assert path[-1] == pytest.approx([0, 1], abs=1e-9)


@pytest.mark.slow
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
