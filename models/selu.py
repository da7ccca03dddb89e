"""The theory of self-normalizing networks as functions: SELU, its moments, alpha dropout.

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

    Arguments broadcast against each other; ``variance`` must be >= 0 (0 gives SELU itself).
    The products exp(...) * erfc(...) of the paper overflow for large variances; both equal
    exp(-m^2 / 2v) * erfcx(...), which stays finite.
    """
    # Here and not above: scipy costs 28 MB, and the service needs this module's constants alone.
    from scipy.special import erf, erfc

    m, v = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(variance, np.float64))
    if (v < 0).any():
        raise ValueError("selu_moments: variance must not be negative")
    certain = v == 0
    v = np.where(certain, 1.0, v)
    s = np.sqrt(2 * v)
    upper = 1 + erf(m / s)  # twice the probability that Z is positive
    gauss = _gauss(m, v)
    density = np.sqrt(2 * v / np.pi) * gauss
    exp_1 = _exp_erfc(m, v, 1.0)
    exp_2 = _exp_erfc(m, v, 2.0)
    lower = erfc(m / s)
    first = 0.5 * LAMBDA * (m * upper + density + ALPHA * (exp_1 - lower))
    second = (
        0.5 * LAMBDA**2 * ((m**2 + v) * upper + m * density + ALPHA**2 * (exp_2 - 2 * exp_1 + lower))
    )
    first = np.where(certain, selu(m), first)
    second = np.where(certain, selu(m) ** 2, second)
    return np.asarray(first), np.asarray(np.maximum(second - first**2, 0.0))


def _exp_erfc(m: NDArray[np.float64], v: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    """Return exp(k m + k^2 v / 2) * erfc((m + k v) / sqrt(2 v)) without overflow.

    For a non-negative argument erfcx carries the product; for a negative one the exponent itself
    is negative (m < -k v), so the plain form is safe where erfcx would overflow.
    """
    from scipy.special import erfc, erfcx

    z = (m + k * v) / np.sqrt(2 * v)
    positive = z >= 0
    scaled = _gauss(m, v) * erfcx(np.where(positive, z, 0.0))
    plain = np.exp(np.where(positive, 0.0, k * m + k * k * v / 2)) * erfc(z)
    return np.where(positive, scaled, plain)


def moment_map(
    mean: ArrayLike, omega: ArrayLike, variance: ArrayLike, tau: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The paper's map g: mean and variance of a unit's activation from those of its inputs.

    g(mu, omega, nu, tau) assumes independent inputs, so that the pre-activation is
    N(mu * omega, nu * tau) (paper eq. 3). Arguments broadcast; g(0, 0, 1, 1) = (0, 1).
    """
    return selu_moments(np.multiply(mean, omega), np.multiply(variance, tau))


def _gauss(m: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(-m^2 / 2v); beyond 40 standard deviations it is 0 in any case."""
    return np.exp(-np.square(np.minimum(np.abs(m) / np.sqrt(2 * v), 40.0)))


@dataclass(frozen=True, slots=True)
class AlphaDropout:
    """The affine correction of alpha dropout at a drop rate (paper eq. 8 and 9).

    ``scale`` * (x or ``SATURATION``) + ``shift`` keeps mean 0 and variance 1.
    """

    rate: float
    scale: float
    shift: float


def alpha_dropout(rate: float) -> AlphaDropout:
    """Return the affine correction for a drop rate in [0, 1); 0.05 gives (0.95484, 0.08394)."""
    if not 0 <= rate < 1:
        raise ValueError(f"alpha_dropout: rate must lie in [0, 1), not {rate}")
    keep = 1 - rate
    scale = (keep + SATURATION**2 * keep * rate) ** -0.5
    return AlphaDropout(rate, scale, -scale * rate * SATURATION)
