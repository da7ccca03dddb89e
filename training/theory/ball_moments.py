"""SELU's moments in ball arithmetic: for a box of arguments, a ball that holds every value.

Arb (F. Johansson, IEEE Trans. Comput. 66 (2017) 1281) encloses exp, erf and erfc rigorously, whatever
the rounding. ``m`` and ``v`` are mean and variance of the pre-activation, mu * omega and nu * tau of
the paper. The formulas are those of ``models.networks.selu``, written anew: a proof shares no code with
what it vouches for.
"""

from dataclasses import dataclass

from flint import arb

_HALF = arb(1) / 2
_ROOT_2 = arb(2).sqrt()
_ROOT_2_PI = (2 * arb.pi()).sqrt()

#: alpha and lambda of the fixed point (0, 1), as balls around their closed forms (paper eq. 14).
ALPHA = _ROOT_2 / arb.pi().sqrt() / (1 - _HALF.exp() * (1 / _ROOT_2).erfc())
LAMBDA = (
    2 / (1 + ALPHA**2 * (1 - 2 * _HALF.exp() * (1 / _ROOT_2).erfc() + arb(2).exp() * _ROOT_2.erfc()))
).sqrt()


@dataclass(frozen=True, slots=True)
class Moments:
    """A function's values and derivatives by m and v over a box, as balls."""

    value: arb
    by_m: arb
    by_v: arb
    by_mm: arb
    by_mv: arb
    by_vv: arb


def moments(m: arb, v: arb) -> tuple[Moments, Moments]:
    """Enclose mean and variance of SELU(Z), Z ~ N(m, v), over all of ``m`` and ``v`` > 0.

    Of an expectation E f(Z) the derivative by v is half the second one by m, which leaves few
    terms to derive. SELU's slope jumps from lambda alpha to lambda at 0, so Z's density there enters.
    """
    s = (2 * v).sqrt()
    below = (m / s).erfc() / 2
    above = 1 - below
    density = (-(m**2) / (2 * v)).exp() / (_ROOT_2_PI * v.sqrt())
    linear = m * above + v * density
    exp_1 = (m + v / 2).exp() * ((m + v) / s).erfc() / 2
    exp_2 = (2 * m + 2 * v).exp() * ((m + 2 * v) / s).erfc() / 2
    # Derivatives by v: half of the second ones by m.
    pull = m / v * density
    above_by_v = -pull / 2
    density_by_v = (m**2 / v - 1) / v * density / 2
    exp_1_by_v = (exp_1 - density + pull) / 2
    exp_2_by_v = (4 * exp_2 - 2 * density + pull) / 2

    mean_by_v = LAMBDA * ((1 - ALPHA) * density + ALPHA * exp_1) / 2
    mean = Moments(
        value=LAMBDA * (linear + ALPHA * (exp_1 - below)),
        by_m=LAMBDA * (above + ALPHA * exp_1),
        by_v=mean_by_v,
        by_mm=2 * mean_by_v,
        by_mv=LAMBDA * (above_by_v + ALPHA * exp_1_by_v),
        by_vv=LAMBDA * ((1 - ALPHA) * density_by_v + ALPHA * exp_1_by_v) / 2,
    )
    # The second moment, from which the variance follows.
    square = LAMBDA**2
    curve = square * ALPHA**2
    by_m = 2 * (square * linear + curve * (exp_2 - exp_1))
    by_v = square * above + curve * (2 * exp_2 - exp_1)
    by_mv = square * density + 2 * curve * (exp_2_by_v - exp_1_by_v)
    by_vv = square * above_by_v + curve * (2 * exp_2_by_v - exp_1_by_v)
    value = square * (m * linear + v * above) + curve * (exp_2 - 2 * exp_1 + below)
    variance = Moments(
        value=value - mean.value**2,
        by_m=by_m - 2 * mean.value * mean.by_m,
        by_v=by_v - 2 * mean.value * mean.by_v,
        by_mm=2 * (by_v - mean.by_m**2 - mean.value * mean.by_mm),
        by_mv=by_mv - 2 * (mean.by_m * mean.by_v + mean.value * mean.by_mv),
        by_vv=by_vv - 2 * (mean.by_v**2 + mean.value * mean.by_vv),
    )
    return mean, variance
