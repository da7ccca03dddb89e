"""The paper's theorems as claims on suprema, and their verdicts.

The paper's four arguments enter by two products, m = mu * omega and v = nu * tau, and by omega and
tau themselves, in which every claim is monotone. So a rectangle of (m, v) with the worst omega and
tau for each v stands for the whole four-dimensional domain, and nothing is sampled.
"""

from dataclasses import dataclass
from fractions import Fraction

from flint import arb

from training.theory.ball_moments import moments
from training.theory.branch_and_bound import Bound, Box, Objective, Rectangle, supremum

Ends = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Domain:
    """Ranges of the paper's arguments, as decimals; ``mu`` and ``omega`` are symmetric about 0."""

    mu: str
    omega: str
    nu: Ends
    tau: Ends

    def rectangle(self) -> Rectangle:
        """All (m, v) that occur."""
        widest = _ball(self.mu) * _ball(self.omega)
        return Rectangle(
            m=(-widest, widest),
            v=(_ball(self.nu[0]) * _ball(self.tau[0]), _ball(self.nu[1]) * _ball(self.tau[1])),
        )


#: Omega of theorem 1 (paper, section 2), and the domains of theorems 2 and 3 (two of them).
OMEGA = Domain(mu="0.1", omega="0.1", nu=("0.8", "1.5"), tau=("0.95", "1.1"))
SHRINKING = Domain(mu="1", omega="0.1", nu=("3", "16"), tau=("0.8", "1.25"))
GROWING = (
    Domain(mu="0.1", omega="0.1", nu=("0.02", "0.16"), tau=("0.8", "1.25")),
    Domain(mu="0.1", omega="0.1", nu=("0.02", "0.24"), tau=("0.9", "1.25")),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """``sign`` * sup of ``objective`` over ``rectangle`` is the figure named ``what``.

    It is to stay strictly below ``limit`` (above, where ``sign`` is -1); ``papers`` is the paper's own.
    """

    theorem: int
    what: str
    objective: Objective
    rectangle: Rectangle
    limit: float
    papers: str
    sign: int = 1
    tolerance: float = 1e-6

    def prove(self) -> "Verdict":
        """Bound the supremum and compare it with the limit."""
        return Verdict(self, supremum(self.objective, self.rectangle, self.tolerance))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim and what was certified of it."""

    claim: Claim
    bound: Bound

    @property
    def certified(self) -> bool:
        """Whether the claim is proved."""
        return self.bound.certified < self.claim.sign * self.claim.limit

    @property
    def refuted(self) -> bool:
        """Whether a point of the domain contradicts the claim."""
        return self.bound.attained >= self.claim.sign * self.claim.limit


def claims() -> list[Claim]:
    """Theorems 1, 2 and 3."""
    omega = OMEGA.rectangle()
    return [
        Claim(1, "norm of the Jacobian", jacobian_norm(OMEGA), omega, 1.0, "< 1"),
        Claim(1, "largest mean", _extreme(_MEAN, 1), omega, 0.1, "0.06773"),
        Claim(1, "smallest mean", _extreme(_MEAN, -1), omega, -0.1, "-0.03106", sign=-1),
        Claim(1, "largest variance", _extreme(_VARIANCE, 1), omega, 1.5, "1.48617"),
        Claim(1, "smallest variance", _extreme(_VARIANCE, -1), omega, 0.8, "0.80009", sign=-1),
        Claim(
            2, "largest change of the variance", shrinking(SHRINKING), SHRINKING.rectangle(), 0.0, "< 0"
        ),
        *(
            Claim(
                3,
                f"smallest change of the variance, nu to {domain.nu[1]}",
                growing(domain),
                domain.rectangle(),
                0.0,
                "> 0",
                sign=-1,
            )
            for domain in GROWING
        ),
    ]


def jacobian_norm(domain: Domain) -> Objective:
    """Spectral norm of the Jacobian [omega a, tau b], with a, b the derivatives by m and v.

    J J' = omega^2 a a' + tau^2 b b' grows with omega^2 and tau^2. For a given v the largest tau
    is the domain's, or v over the smallest nu.
    """
    omega_2, most, least_nu = _ball(domain.omega) ** 2, _ball(domain.tau[1]), _ball(domain.nu[0])

    def norm(by_m: tuple[arb, arb], by_v: tuple[arb, arb], v: arb) -> arb:
        tau_2 = most.min(v / least_nu) ** 2
        p, q = (omega_2 * a**2 + tau_2 * b**2 for a, b in zip(by_m, by_v, strict=True))
        r = omega_2 * by_m[0] * by_m[1] + tau_2 * by_v[0] * by_v[1]
        # A square's ball may reach below 0 by its rounding; its root must not.
        spread = _root((p - q) ** 2 + 4 * r**2)
        return _root((p + q + spread) / 2)

    def norms(box: Box) -> tuple[arb, arb]:
        mean, variance = moments(box.m0, box.v0)
        over = moments(box.m, box.v)
        m, v = box.m - box.m0, box.v - box.v0
        by_m = [
            point.by_m + ball.by_mm * m + ball.by_mv * v
            for point, ball in zip((mean, variance), over, strict=True)
        ]
        by_v = [
            point.by_v + ball.by_mv * m + ball.by_vv * v
            for point, ball in zip((mean, variance), over, strict=True)
        ]
        return (
            norm((by_m[0], by_m[1]), (by_v[0], by_v[1]), box.v),
            norm((mean.by_m, variance.by_m), (mean.by_v, variance.by_v), box.v0),
        )

    return norms


def shrinking(domain: Domain) -> Objective:
    """Variance after minus before: for a given v the smallest nu is the domain's, or v / tau."""
    return _least(1, (_ball(domain.nu[0]), arb(0)), (arb(0), 1 / _ball(domain.tau[1])))


def growing(domain: Domain) -> Objective:
    """Variance before minus after: for a given v the largest nu is the domain's, or v / tau."""
    return _least(-1, (-_ball(domain.nu[1]), arb(0)), (arb(0), -1 / _ball(domain.tau[0])))


_MEAN, _VARIANCE = 0, 1


def _extreme(quantity: int, sign: int) -> Objective:
    return lambda box: _sloped(box, quantity, sign, (arb(0), arb(0)))


def _least(sign: int, *less: tuple[arb, arb]) -> Objective:
    """``sign`` * variance less the larger of two lines, each as ``_sloped`` takes it."""

    def change(box: Box) -> tuple[arb, arb]:
        (over, centre), (other, other_centre) = (_sloped(box, _VARIANCE, sign, line) for line in less)
        return over.min(other), centre.min(other_centre)

    return change


def _sloped(box: Box, quantity: int, sign: int, less: tuple[arb, arb]) -> tuple[arb, arb]:
    """``sign`` * quantity - less[0] - less[1] * v over the box and at its centre.

    By the mean value theorem: value at the centre plus the slopes' balls times the distance. The
    plain ball of a variance is far wider, for it is a small difference of large terms.
    """
    point, over = moments(box.m0, box.v0)[quantity], moments(box.m, box.v)[quantity]
    centre = sign * point.value - less[0] - less[1] * box.v0
    slopes = sign * over.by_m * (box.m - box.m0) + (sign * over.by_v - less[1]) * (box.v - box.v0)
    return centre + slopes, centre


def _root(square: arb) -> arb:
    """Root of a ball whose true values are not negative."""
    return square.max(arb(0)).sqrt() if square.is_finite() else square


def _ball(decimal: str) -> arb:
    fraction = Fraction(decimal)
    return arb(fraction.numerator) / fraction.denominator
