"""What atoms contribute to Crippen's logP and refractivity, and their pharmacophore features, by RDKit.

Both depend on an atom's class, its bonds, and its neighbours: their elements and charges, whether they
are aromatic, and whether an oxygen is that of an acid. For nitrogen, oxygen and sulfur they depend also
on what these neighbours are bound to, as far as the ``SECOND`` stars tell. So RDKit, which tries a
hundred patterns on each molecule, is asked once for each such surrounding.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from models.features.molecules.crippen import of_hydrogen
from models.features.molecules.environments.atoms import KIND_BITS, AtomBlock
from models.features.molecules.environments.stars import Star, as_star
from models.features.molecules.environments.tables import KeyedRows

# What patterns for N, O and S ask of a neighbour: carbonyls and the atoms beside them (Crippen's O8
# to O12, H2 and H4; donors, acceptors, basic nitrogen), and carbons of furans beside aromatic nitrogen.
_SECOND_SMARTS = (
    "[C,S](=[O,S,P])-[O;H1,-1]", "[O;H1,-1]",
    "*=[O,N,P,S]", "*=[#6,#7,#8,#16]", "[X4]", "c:n", "[CH2]=O", "[CX2](=O)=O", "[C,a]=O", "C(=O)[O-]",
    "[CH](=O)C", "[CH](=O)c", "[CH](=O)[N,O]", "C(=O)(C)[A;!#1]", "C(=O)(c)[A;!#1]",
    "C(=O)([C,c])[a;!#1]", "C(=O)([!#1;!#6])[!#1;!#6]",
)  # fmt: skip
_ACIDS_OXYGEN = _SECOND_SMARTS.index("[O;H1,-1]")
_FAR_SIGHTED = (7, 8, 16)
_MOST = 1 << 16


def second_stars() -> tuple[Star, ...]:
    """The stars that are asked of the neighbours of nitrogen, oxygen and sulfur."""
    stars = (as_star(Chem.MolFromSmarts(smarts)) for smarts in _SECOND_SMARTS)
    return tuple(star for star in stars if star)


class Contributions(NamedTuple):
    """Of shape ``(atoms,)``: each atom's logP, refractivity and features, and those of its hydrogens.

    ``of_hydrogens``, of shape ``(atoms, 2)``, is NaN where hydrogens are typed by RDKit alone.
    """

    logp: NDArray[np.float64]
    refractivity: NDArray[np.float64]
    features: NDArray[np.int64]
    of_hydrogens: NDArray[np.float64]


class ContributionTable:
    """Contributions by what atoms have around them."""

    def __init__(self) -> None:
        self._near, self._second = (KeyedRows(0, np.int64, 1 << KIND_BITS) for _ in range(2))
        self._rows = KeyedRows(5, np.float64, _MOST)

    def of(
        self, block: AtomBlock, matches: NDArray[np.uint8]
    ) -> tuple[Contributions, NDArray[np.bool_]]:
        """The contributions, and which atoms have a surrounding that is remembered.

        ``matches``, of shape ``(atoms, second stars)``.
        """
        number = matches.shape[1]
        seen = (block.plain_kinds << number) + matches @ (1 << np.arange(number))
        second = _numbers(self._second, seen)
        near = _numbers(self._near, (block.plain_kinds << 1) + matches[:, _ACIDS_OXYGEN])
        far = np.isin(block.elements, _FAR_SIGHTED)
        keys = np.where(far, block.around(np.maximum(second, 0)), block.around(np.maximum(near, 0)))
        asked: dict[int, tuple[Any, Any]] = {}
        places = self._rows.places(
            keys, lambda positions: [_ask(block, position, asked) for position in positions.tolist()]
        )
        logp, refractivity, features, *hydrogens = self._rows.rows[places].T
        found = Contributions(logp, refractivity, features.astype(np.int64), np.array(hydrogens).T)
        return found, (second >= 0) & (near >= 0) & (places >= 0)


def _numbers(kinds: KeyedRows, keys: NDArray[np.int64]) -> NDArray[np.intp]:
    """A number for each kind of neighbours, -1 if it is not remembered."""
    return kinds.places(keys.astype(np.uint64), lambda positions: [()] * len(positions))


def _ask(block: AtomBlock, position: int, asked: dict[int, tuple[Any, Any]]) -> tuple[float, ...]:
    """A row of the table for an atom, by RDKit; ``asked`` is what it said of molecules before."""
    owner = int(block.owners[position])
    molecule = block.molecules[owner]
    if owner not in asked:
        asked[owner] = (
            rdMolDescriptors._CalcCrippenContribs(molecule),
            rdMolDescriptors.GetFeatureInvariants(molecule),
        )
    contributions, features = asked[owner]
    at = position - int(block.starts[owner])
    atom = molecule.GetAtomWithIdx(at)
    hydrogens = (0.0, 0.0)
    if atom.GetTotalNumHs():
        hydrogens = of_hydrogen(atom, atom.GetAtomicNum()) or (np.nan, np.nan)
    return *contributions[at], features[at], *hydrogens
