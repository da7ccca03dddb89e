"""The proofs: their enclosures against the plain functions, and that a wrong claim is not proved."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("flint", reason="the extra train is not installed")

from flint import arb

from models.networks import selu
from training.theory.ball_moments import ALPHA, LAMBDA, moments
from training.theory.branch_and_bound import Box, Rectangle, supremum
from training.theory.report import prove
from training.theory.theorems import GROWING, OMEGA, SHRINKING, Domain, claims, jacobian_norm

# The oracle computes with floats; its own rounding is let off.
_ROUNDING = 1e-9


def _holds(ball: arb, value: float, slack: float = _ROUNDING) -> bool:
    # A ball that is not finite claims nothing.
    return not ball.is_finite() or float(ball.lower()) - slack <= value <= float(ball.upper()) + slack


def test_the_constants_are_the_papers() -> None:
    """Alpha and lambda of the proof enclose the closed form that the service uses."""
    assert _holds(ALPHA, selu.ALPHA, 1e-15)
    assert _holds(LAMBDA, selu.LAMBDA, 1e-15)


@given(
    st.floats(-0.5, 0.5),
    st.floats(0.02, 15),
    st.floats(1e-6, 0.02),
    st.floats(-1, 1),
    st.floats(-1, 1),
)
def test_balls_hold_every_sampled_value(m: float, v: float, width: float, x: float, y: float) -> None:
    """Moments and first derivatives at any point of a box lie in the box's balls."""
    wide = width * v
    mean, variance = moments(arb(m, width), arb(v, wide))
    at_m, at_v = m + x * width, v + y * wide
    for ball, value in zip((mean.value, variance.value), selu.selu_moments(at_m, at_v), strict=True):
        assert _holds(ball, float(value))
    slopes = selu.jacobian(at_m, 1, at_v, 1)
    for one, (by_m, by_v) in zip((mean, variance), slopes, strict=True):
        assert _holds(one.by_m, by_m)
        assert _holds(one.by_v, by_v)


@given(st.floats(-0.5, 0.5), st.floats(0.05, 15))
def test_second_derivatives_are_the_slopes_of_the_first(m: float, v: float) -> None:
    """Differences of the closed-form Jacobian agree with the proof's second derivatives."""
    step = 1e-4 * v
    by_m = (selu.jacobian(m + step, 1, v, 1) - selu.jacobian(m - step, 1, v, 1)) / (2 * step)
    by_v = (selu.jacobian(m, 1, v + step, 1) - selu.jacobian(m, 1, v - step, 1)) / (2 * step)
    for row, one in enumerate(moments(arb(m), arb(v))):
        assert float(one.by_mm) == pytest.approx(by_m[row, 0], rel=1e-3, abs=1e-4)
        assert float(one.by_mv) == pytest.approx(by_m[row, 1], rel=1e-3, abs=1e-4)
        assert float(one.by_vv) == pytest.approx(by_v[row, 1], rel=1e-3, abs=1e-4)


def _draw(domain: Domain, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    ends = [
        (-float(domain.mu), float(domain.mu)),
        (-float(domain.omega), float(domain.omega)),
        (float(domain.nu[0]), float(domain.nu[1])),
        (float(domain.tau[0]), float(domain.tau[1])),
    ]
    # Corners are where the extremes are: half of the draws snap to an end.
    return tuple(
        np.clip(rng.uniform(-0.5, 1.5, 20_000), 0, 1) * (high - low) + low for low, high in ends
    )


@pytest.mark.slow
def test_theorems_are_certified_and_no_sample_of_the_paper_s_domain_contradicts() -> None:
    """Every bound is proved, and 20,000 points of the four-dimensional domain lie within it."""
    verdicts = [claim.prove() for claim in claims()]
    assert all(verdict.certified for verdict in verdicts)
    norm, most_mean, least_mean, most_var, least_var, shrink, *grow = verdicts
    rng = np.random.default_rng(0)
    mu, omega, nu, tau = _draw(OMEGA, rng)
    norms = np.linalg.norm(selu.jacobian(mu, omega, nu, tau), 2, axis=(-2, -1))
    means, variances = selu.moment_map(mu, omega, nu, tau)
    for verdict, values in (
        (norm, norms),
        (most_mean, means),
        (least_mean, -means),
        (most_var, variances),
        (least_var, -variances),
    ):
        assert values.max() <= verdict.bound.certified + _ROUNDING
    mu, omega, nu, tau = _draw(SHRINKING, rng)
    change = selu.moment_map(mu, omega, nu, tau)[1] - nu
    assert change.max() <= shrink.bound.certified + _ROUNDING
    for domain, verdict in zip(GROWING, grow, strict=True):
        mu, omega, nu, tau = _draw(domain, rng)
        change = nu - selu.moment_map(mu, omega, nu, tau)[1]
        assert change.max() <= verdict.bound.certified + _ROUNDING


def test_the_norm_s_bound_is_tight() -> None:
    """The certificate of theorem 1 is within 2e-6 of the norm at the domain's worst corner."""
    bound = claims()[0].prove().bound
    corner = np.linalg.norm(selu.jacobian(-0.1, -0.1, 0.8, 1.1), 2)
    assert corner <= bound.certified <= corner + 2e-6


def test_a_wrong_claim_is_refuted_and_the_report_says_so() -> None:
    """A norm below .89 is contradicted by a point of the domain, so nothing is certified."""
    wrong = dataclasses.replace(claims()[0], limit=0.89)
    verdict = wrong.prove()
    assert verdict.refuted
    assert not verdict.certified
    table, certified = prove(lambda _: None, [wrong])
    assert not certified
    assert "| refuted |" in table


@pytest.mark.slow
def test_contraction_is_not_certified_beyond_the_domain() -> None:
    """With small variances and tau up to 2 the map does not contract, and no proof of it is found."""
    beyond = Domain(mu="0.1", omega="0.1", nu=("0.1", "1.5"), tau=("0.95", "2"))
    wrong = dataclasses.replace(
        claims()[0], objective=jacobian_norm(beyond), rectangle=beyond.rectangle()
    )
    assert not wrong.prove().certified


@pytest.mark.slow
def test_too_few_boxes_leave_a_bound_wide_but_rigorous() -> None:
    """A search that is cut short certifies less, never something false."""
    claim = claims()[5]
    short = supremum(claim.objective, claim.rectangle, claim.tolerance, most_boxes=50)
    assert short.boxes <= 51
    assert short.certified > claim.prove().bound.certified


@settings(max_examples=25)
@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.1, 3))
def test_the_supremum_of_a_known_function_is_enclosed(peak: float, low: float, curvature: float) -> None:
    """A parabola's largest value over a rectangle lies between attained and certified."""

    def parabola(box: Box) -> tuple[arb, arb]:
        return -curvature * (box.m - peak) ** 2 + box.v, -curvature * (box.m0 - peak) ** 2 + box.v0

    rectangle = Rectangle(m=(arb(-1), arb(1)), v=(arb(low), arb(low) + 1))
    bound = supremum(parabola, rectangle, 1e-3)
    assert bound.attained <= low + 1 + 1e-12
    assert bound.certified >= low + 1 - 1e-12
    assert bound.certified - bound.attained <= 1e-3
