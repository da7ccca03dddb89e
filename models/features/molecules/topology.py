"""Connectivity indices chi and shape indices kappa in closed form.

L. H. Hall, L. B. Kier, Rev. Comput. Chem. 2 (1991) 367. RDKit computes chi and kappa of order two and
three from a list of all paths, which takes a fifth of a millisecond for a common molecule and minutes
for a small cage of hypervalent atoms. Sums over atoms and bonds give the same numbers in linear time:

    chi2 = ½ Σ_j w_j (s_j² − q_j)                    s_j, q_j: sums of w and w² over j's neighbours
    chi3 = Σ_jk w_j w_k (s_j − w_k)(s_k − w_j)       over bonds

For a triangle the sum for chi3 has a path along each of its bonds, which takes one atom twice. RDKit
counts a triangle once, with each of its atoms once: hence the corrections for rings of three.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

NAMES = ("chi2n", "chi3n", "chi2v", "chi3v", "kappa2", "kappa3", "Phi")

_TABLE = Chem.GetPeriodicTable()
_OUTER = np.array([0.0, *(_TABLE.GetNOuterElecs(number) for number in range(1, 119))])
# Divisor of an atom's valence electrons in the chi v indices: above 1 for elements beyond neon.
_NEON = 10
_SHELL = np.array([1.0 if z <= _NEON else z - _OUTER[z] - 1.0 for z in range(119)])


def topology(
    molecule: Chem.Mol,
    elements: NDArray[np.intp],
    hydrogens: NDArray[np.float64],
    alpha: float,
    has_triangle: bool,
) -> Sequence[float]:
    """The indices of a sanitised molecule of n atoms in the order of ``NAMES``.

    ``elements`` and ``hydrogens``, shape ``(n,)``: each atom's atomic number and hydrogen count.
    ``alpha``: the molecule's Hall-Kier alpha. ``has_triangle``: whether it has a ring of three.
    """
    bonds = _Bonds(molecule, has_triangle)
    electrons = _OUTER[elements] - hydrogens
    chi_n = bonds.chi(electrons)
    chi_v = bonds.chi(electrons / _SHELL[elements]) if elements.max() > _NEON else chi_n
    kappa1, kappa2, kappa3 = bonds.kappa(alpha)
    return *chi_n, *chi_v, kappa2, kappa3, kappa1 * kappa2 / len(elements)


class _Bonds:
    """A molecule's bonds, each in both directions, and its adjacency matrix if it has triangles."""

    def __init__(self, molecule: Chem.Mol, has_triangle: bool) -> None:
        matrix = Chem.GetAdjacencyMatrix(molecule)
        self.start, self.end = np.nonzero(matrix)
        self.size = len(matrix)
        self.matrix = matrix.astype(np.float64) if has_triangle else None

    def neighbour_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each atom the sum of its neighbours' values, shape ``(n,)`` as ``values``."""
        return np.bincount(self.start, values[self.end], self.size).astype(np.float64, copy=False)

    def chi(self, deltas: NDArray[np.float64]) -> tuple[float, float]:
        """Chi of order two and three; ``deltas``, shape ``(n,)``, are the atoms' valence deltas."""
        weights = np.zeros_like(deltas)
        np.power(deltas, -0.5, out=weights, where=deltas > 0)
        sums = self.neighbour_sums(weights)
        second = 0.5 * float(weights @ (sums * sums - self.neighbour_sums(weights * weights)))
        start, end = weights[self.start], weights[self.end]
        third = 0.5 * float((start * end) @ ((sums[self.start] - end) * (sums[self.end] - start)))
        if self.matrix is not None:
            paths = self.matrix @ (weights[:, np.newaxis] * self.matrix)
            closed = self.matrix @ (weights[:, np.newaxis] ** 2 * self.matrix)
            pairs = self.matrix * np.outer(weights, weights)
            third += float((pairs * paths).sum()) / 6 - float((pairs * closed).sum()) / 2
        return second, third

    def kappa(self, alpha: float) -> tuple[float, float, float]:
        """The shape indices of order one to three."""
        onward = np.bincount(self.start, minlength=self.size) - 1.0
        one = len(self.start) / 2
        two = 0.5 * float(onward @ (onward + 1))
        three = 0.5 * float(onward[self.start] @ onward[self.end])
        if self.matrix is not None:
            three -= float((self.matrix * (self.matrix @ self.matrix)).sum()) / 3
        size = self.size + alpha
        return (
            _ratio(size * (size - 1) ** 2, one + alpha),
            _ratio((size - 1) * (size - 2) ** 2, two + alpha),
            _ratio((size - 2 + self.size % 2) * (size - 3) ** 2, three + alpha),
        )


def _ratio(numerator: float, root: float) -> float:
    return numerator / root**2 if root else 0.0
