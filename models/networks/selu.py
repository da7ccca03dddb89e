"""The theory of self-normalizing networks as functions: SELU, its moments and their Jacobian.

Source throughout: Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-Normalizing Neural
Networks" (arXiv 1706.02515). Symbols follow the paper: a layer's inputs have mean mu and variance
nu; omega is the sum and tau the sum of squares of one unit's incoming weights.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: alpha and lambda of the fixed point (mean 0, variance 1), paper eq. 14.
ALPHA = 1.6732632423543772
LAMBDA = 1.0507009873554805

#: The value that SELU approaches for large negative inputs, -lambda * alpha (the paper's alpha').
SATURATION = -LAMBDA * ALPHA

#: An activation at or below this counts as saturated: within 5 % of ``SATURATION``, i.e. a
#: pre-activation below -3, where SELU's slope has fallen to a twentieth of its value at 0-.
SATURATED_BELOW = 0.95 * SATURATION


def selu(x: ArrayLike) -> NDArray[np.float64]:
    """Apply the scaled exponential linear unit to an array of any shape (paper eq. 2)."""
    x = np.asarray(x, dtype=np.float64)
    return LAMBDA * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0.0)))


def selu_moments(
    mean: ArrayLike, variance: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of SELU(Z) for Z ~ N(mean, variance) (paper eq. 4 and 5).

    Arguments broadcast against each other; a variance of 0 gives SELU itself. Raises ``ValueError`` for
    a negative one.
    The products exp(...) * erfc(...) of the paper overflow for large variances; both equal
    exp(-m^2 / 2v) * erfcx(...), which stays finite.
    """
    m, v = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(variance, np.float64))
    if (v < 0).any():
        raise ValueError("selu_moments: variance must not be negative")
    certain = v == 0
    parts = _parts(m, np.where(certain, 1.0, v))
    first = LAMBDA * (parts.linear + ALPHA * parts.bend)
    second = LAMBDA**2 * (parts.square + ALPHA**2 * parts.bend_square)
    first = np.where(certain, selu(m), first)
    second = np.where(certain, selu(m) ** 2, second)
    return np.asarray(first), np.asarray(np.maximum(second - first**2, 0.0))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Integrals over Z ~ N(m, v) that SELU's moments and their derivatives are made of.

    ``linear`` = E[Z; Z > 0], ``bend`` = E[e^Z - 1; Z < 0], ``square`` and ``bend_square`` the same of
    the squares; ``above`` = P(Z > 0), ``exp_1`` = E[e^Z; Z < 0], ``exp_2`` = E[e^2Z; Z < 0],
    ``density`` = Z's density at 0.
    """

    linear: NDArray[np.float64]
    bend: NDArray[np.float64]
    square: NDArray[np.float64]
    bend_square: NDArray[np.float64]
    above: NDArray[np.float64]
    exp_1: NDArray[np.float64]
    exp_2: NDArray[np.float64]
    density: NDArray[np.float64]


def _parts(m: NDArray[np.float64], v: NDArray[np.float64]) -> _Parts:
    # Here and not above: scipy costs 28 MB, and the service needs this module's constants alone.
    from scipy.special import erfc

    s = np.sqrt(2 * v)
    gauss = _gauss(m, v)
    above, below = 0.5 * erfc(-m / s), 0.5 * erfc(m / s)
    spread = np.sqrt(v / (2 * np.pi)) * gauss
    exp_1, exp_2 = _exp_below(m, v, 1.0), _exp_below(m, v, 2.0)
    return _Parts(
        linear=m * above + spread,
        bend=exp_1 - below,
        square=(m**2 + v) * above + m * spread,
        bend_square=exp_2 - 2 * exp_1 + below,
        above=above,
        exp_1=exp_1,
        exp_2=exp_2,
        density=gauss / (s * np.sqrt(np.pi)),
    )


def _exp_below(m: NDArray[np.float64], v: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    """Return E[e^kZ; Z < 0] = exp(k m + k^2 v / 2) * erfc((m + k v) / sqrt(2 v)) / 2 without overflow.

    For a non-negative argument erfcx carries the product; for a negative one the exponent itself
    is negative (m < -k v), so the plain form is safe where erfcx would overflow.
    """
    from scipy.special import erfc, erfcx

    z = (m + k * v) / np.sqrt(2 * v)
    positive = z >= 0
    scaled = _gauss(m, v) * erfcx(np.where(positive, z, 0.0))
    plain = np.exp(np.where(positive, 0.0, k * m + k * k * v / 2)) * erfc(z)
    return np.asarray(0.5 * np.where(positive, scaled, plain))


def _gauss(m: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(-m^2 / 2v); beyond 40 standard deviations it is 0 in any case."""
    return np.exp(-np.square(np.minimum(np.abs(m) / np.sqrt(2 * v), 40.0)))


def moment_map(
    mean: ArrayLike, omega: ArrayLike, variance: ArrayLike, tau: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The paper's map g: mean and variance of a unit's activation from those of its inputs.

    g(mu, omega, nu, tau) assumes independent inputs, so that the pre-activation is
    N(mu * omega, nu * tau) (paper eq. 3). Arguments broadcast; g(0, 0, 1, 1) = (0, 1).
    """
    return selu_moments(np.multiply(mean, omega), np.multiply(variance, tau))


def jacobian(
    mean: ArrayLike, omega: ArrayLike, variance: ArrayLike, tau: ArrayLike
) -> NDArray[np.float64]:
    """Derivatives of g's mean and variance by mu and nu, shape ``(..., 2, 2)``, in closed form.

    Row 0 is the mean's, row 1 the variance's; column 0 by mu, column 1 by nu (paper eq. 6).
    Raises ``ValueError`` unless ``variance`` and ``tau`` are > 0: at a certain input of 0 SELU has a
    kink, and no derivative.
    With f = SELU, dE f(Z)/dm = E f'(Z) and dE f(Z)/dv = E f''(Z) / 2, the kink of SELU counting in
    f'' by its jump times the density at 0.
    """
    arrays = [np.asarray(argument, dtype=np.float64) for argument in (mean, omega, variance, tau)]
    mu, om, nu, ta = np.broadcast_arrays(*arrays)
    m, v = np.asarray(mu * om), np.asarray(nu * ta)
    if (v <= 0).any():
        raise ValueError("jacobian: variance and tau must be positive")
    parts = _parts(m, v)
    first = LAMBDA * (parts.linear + ALPHA * parts.bend)
    by_m = LAMBDA * (parts.above + ALPHA * parts.exp_1)
    by_v = 0.5 * LAMBDA * ((1 - ALPHA) * parts.density + ALPHA * parts.exp_1)
    curve = parts.exp_2 - parts.exp_1
    second_by_m = 2 * LAMBDA**2 * (parts.linear + ALPHA**2 * curve)
    second_by_v = LAMBDA**2 * (parts.above + ALPHA**2 * (curve + parts.exp_2))
    rows = [
        [om * by_m, ta * by_v],
        [om * (second_by_m - 2 * first * by_m), ta * (second_by_v - 2 * first * by_v)],
    ]
    return np.asarray(np.moveaxis(np.array(rows), (0, 1), (-2, -1)))
