"""Connectivity and shape indices in closed form.

RDKit finds chi of order two and three and kappa of order two and three by listing all paths,
which takes a fifth of a millisecond for a usual molecule and minutes for a small cage of
hypervalent atoms. Summing over atoms and bonds gives the same numbers at a fixed price:

    chi2 = ½ Σ_j w_j (s_j² − q_j)                    s_j, q_j: sums of w and w² over j's neighbours
    chi3 = Σ_jk w_j w_k (s_j − w_k)(s_k − w_j)       over bonds

A closed path of three bonds is counted once and with each of its atoms once, hence the
corrections for triangles. L. H. Hall, L. B. Kier, Rev. Comput. Chem. 2 (1991) 367.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

NAMES = ("chi2n", "chi3n", "chi2v", "chi3v", "kappa2", "kappa3", "Phi")

_TABLE = Chem.GetPeriodicTable()
_OUTER = np.array([0.0, *(_TABLE.GetNOuterElecs(number) for number in range(1, 119))])
# What the valence electrons of an element beyond neon are divided by in the chi v indices.
_NEON = 10
_SHELL = np.array([1.0 if z <= _NEON else z - _OUTER[z] - 1.0 for z in range(119)])


def topology(
    molecule: Chem.Mol,
    elements: NDArray[np.intp],
    hydrogens: NDArray[np.float64],
    alpha: float,
    has_triangle: bool,
) -> Sequence[float]:
    """The indices in the order of ``NAMES``.

    ``elements`` and ``hydrogens`` are each atom's atomic number and hydrogen count, ``alpha`` is
    the molecule's Hall-Kier alpha, ``has_triangle`` tells whether it has a ring of three.
    """
    bonds = _Bonds(molecule, has_triangle)
    electrons = _OUTER[elements] - hydrogens
    chi_n = bonds.chi(electrons)
    chi_v = bonds.chi(electrons / _SHELL[elements]) if elements.max() > _NEON else chi_n
    kappa1, kappa2, kappa3 = bonds.kappa(alpha)
    return *chi_n, *chi_v, kappa2, kappa3, kappa1 * kappa2 / len(elements)


class _Bonds:
    """A molecule's bonds, each in both directions, and its triangles where it has some."""

    def __init__(self, molecule: Chem.Mol, has_triangle: bool) -> None:
        matrix = Chem.GetAdjacencyMatrix(molecule)
        self.start, self.end = np.nonzero(matrix)
        self.size = len(matrix)
        self.matrix = matrix.astype(np.float64) if has_triangle else None

    def around(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each atom the sum of its neighbours' values."""
        return np.bincount(self.start, values[self.end], self.size).astype(np.float64, copy=False)

    def chi(self, deltas: NDArray[np.float64]) -> tuple[float, float]:
        """Chi of order two and three for the atoms' valence deltas."""
        weights = np.zeros_like(deltas)
        np.power(deltas, -0.5, out=weights, where=deltas > 0)
        sums = self.around(weights)
        second = 0.5 * float(weights @ (sums * sums - self.around(weights * weights)))
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
        further = np.bincount(self.start, minlength=self.size) - 1.0
        one = len(self.start) / 2
        two = 0.5 * float(further @ (further + 1))
        three = 0.5 * float(further[self.start] @ further[self.end])
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
