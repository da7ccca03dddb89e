"""Connectivity indices chi and shape indices kappa in closed form.

L. H. Hall, L. B. Kier, Rev. Comput. Chem. 2 (1991) 367. RDKit computes chi and kappa of order two and
three from a list of all paths, which takes a fifth of a millisecond for a common molecule and minutes
for a small cage of hypervalent atoms. Sums over atoms and bonds give the same numbers in linear time:

    chi2 = ½ Σ_j w_j (s_j² − q_j)                    s_j, q_j: sums of w and w² over j's neighbours
    chi3 = Σ_jk w_j w_k (s_j − w_k)(s_k − w_j)       over bonds

For a triangle the sum for chi3 has a path along each of its bonds, which takes one atom twice. RDKit
counts a triangle once, with each of its atoms once: hence the corrections for rings of three.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

NAMES = ("chi2n", "chi3n", "chi2v", "chi3v", "kappa2", "kappa3", "Phi")

_TABLE = Chem.GetPeriodicTable()
_OUTER = np.array([0.0, *(_TABLE.GetNOuterElecs(number) for number in range(1, 119))])
# Divisor of an atom's valence electrons in the chi v indices: above 1 for elements beyond neon.
_NEON = 10
_SHELL = np.array([1.0 if z <= _NEON else z - _OUTER[z] - 1.0 for z in range(119)])


class Bonds(NamedTuple):
    """The bonds of m molecules, each in both directions, by the places of their atoms.

    ``owners``: for each atom the number of its molecule.
    """

    sources: NDArray[np.integer]
    targets: NDArray[np.integer]
    owners: NDArray[np.integer]
    number: int

    def neighbour_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each atom the sum of its neighbours' values, of the shape of ``values``."""
        sums: NDArray[np.float64] = np.bincount(self.sources, values[self.targets], len(self.owners))
        return sums

    def totals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each molecule the sum of its atoms' values, shape ``(m,)``."""
        totals: NDArray[np.float64] = np.bincount(self.owners, values, self.number)
        return totals

    def bond_totals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each molecule half the sum of its bonds' values in both directions, shape ``(m,)``."""
        totals: NDArray[np.float64] = np.bincount(self.owners[self.sources], values, self.number)
        return 0.5 * totals


def topology(
    molecule: Chem.Mol,
    elements: NDArray[np.integer],
    hydrogens: NDArray[np.integer],
    alpha: float,
    has_triangle: bool,
) -> Sequence[float]:
    """The indices of one sanitised molecule; as ``topologies``."""
    matrix = Chem.GetAdjacencyMatrix(molecule)
    bonds = Bonds(*np.nonzero(matrix), np.zeros(len(matrix), np.intp), 1)
    triangles = {0: molecule} if has_triangle else {}
    row: Sequence[float] = topologies(bonds, elements, hydrogens, np.array([alpha]), triangles)[0]
    return row


def topologies(
    bonds: Bonds,
    elements: NDArray[np.integer],
    hydrogens: NDArray[np.integer],
    alphas: NDArray[np.float64],
    triangles: Mapping[int, Chem.Mol],
) -> NDArray[np.float64]:
    """The indices of m sanitised molecules in the order of ``NAMES``, shape ``(m, 7)``.

    ``elements`` and ``hydrogens``: each atom's atomic number and hydrogen count. ``alphas``, shape
    ``(m,)``: Hall-Kier's. ``triangles``: the molecules that have a ring of three, by their numbers.
    """
    electrons = _OUTER[elements] - hydrogens
    has_triangles = {
        number: (bonds.owners == number, Chem.GetAdjacencyMatrix(molecule).astype(np.float64))
        for number, molecule in triangles.items()
    }
    chi_n = _chi(bonds, electrons, has_triangles)
    chi_v = _chi(bonds, electrons / _SHELL[elements], has_triangles)
    kappa1, kappa2, kappa3 = _kappa(bonds, alphas, has_triangles)
    atoms = bonds.totals(np.ones(len(elements)))
    return np.column_stack([*chi_n, *chi_v, kappa2, kappa3, kappa1 * kappa2 / atoms])


# Which atoms are those of a molecule with triangles, and its adjacency matrix.
_Triangles = Mapping[int, tuple[NDArray[np.bool_], NDArray[np.float64]]]


def _chi(
    bonds: Bonds, deltas: NDArray[np.float64], triangles: _Triangles
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chi of order two and three; ``deltas`` are the atoms' valence deltas."""
    weights = np.zeros_like(deltas)
    np.power(deltas, -0.5, out=weights, where=deltas > 0)
    sums = bonds.neighbour_sums(weights)
    second = 0.5 * bonds.totals(weights * (sums * sums - bonds.neighbour_sums(weights * weights)))
    start, end = weights[bonds.sources], weights[bonds.targets]
    third = bonds.bond_totals(
        start * end * ((sums[bonds.sources] - end) * (sums[bonds.targets] - start))
    )
    for number, (own, matrix) in triangles.items():
        its = weights[own]
        paths = matrix @ (its[:, np.newaxis] * matrix)
        closed = matrix @ (its[:, np.newaxis] ** 2 * matrix)
        pairs = matrix * np.outer(its, its)
        third[number] += float((pairs * paths).sum()) / 6 - float((pairs * closed).sum()) / 2
    return second, third


def _kappa(
    bonds: Bonds, alphas: NDArray[np.float64], triangles: _Triangles
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The shape indices of order one to three."""
    size = bonds.totals(np.ones(len(bonds.owners)))
    onward = np.bincount(bonds.sources, minlength=len(bonds.owners)) - 1.0
    one = bonds.bond_totals(np.ones(len(bonds.sources)))
    two = 0.5 * bonds.totals(onward * (onward + 1))
    three = bonds.bond_totals(onward[bonds.sources] * onward[bonds.targets])
    for number, (_, matrix) in triangles.items():
        three[number] -= float((matrix * (matrix @ matrix)).sum()) / 3
    odd = size % 2
    size = size + alphas
    return (
        _ratios(size * (size - 1) ** 2, one + alphas),
        _ratios((size - 1) * (size - 2) ** 2, two + alphas),
        _ratios((size - 2 + odd) * (size - 3) ** 2, three + alphas),
    )


def _ratios(numerators: NDArray[np.float64], roots: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerators, roots**2, out=np.zeros_like(roots), where=roots != 0)
