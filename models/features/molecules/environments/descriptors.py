"""The descriptors of a block of molecules, as ``describe`` has them, from sums over all of its atoms."""

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from models.features.molecules.descriptors import (
    ELEMENTS,
    PROPERTIES,
    RING_SIZES,
    charge_surfaces,
    finished,
)
from models.features.molecules.environments.atoms import AtomBlock
from models.features.molecules.environments.contributions import Contributions
from models.features.molecules.topology import Bonds, summed, topologies

# Upper ends of the bins of SlogP_VSA and SMR_VSA; P. Labute, J. Mol. Graph. Model. 18 (2000) 464.
_LOGP_ENDS = (-0.4, -0.2, 0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
_REFRACTIVITY_ENDS = (1.29, 1.82, 2.24, 2.45, 2.75, 3.05, 3.63, 3.8, 4.0)
# Of few molecules these are not 0, and RDKit compares all pairs of rings for each.
_OF_RING_PAIRS = {
    "NumSpiroAtoms": rdMolDescriptors.CalcNumSpiroAtoms,
    "NumBridgeheadAtoms": rdMolDescriptors.CalcNumBridgeheadAtoms,
}
_PROPERTIES = [*PROPERTIES.GetPropertyNames()]
_OTHERS = [at for at, name in enumerate(_PROPERTIES) if name not in _OF_RING_PAIRS]
_others = rdMolDescriptors.Properties([_PROPERTIES[at] for at in _OTHERS])
# RDKit's vectors are slow to iterate and quick to index.
_values = itemgetter(*range(len(_OTHERS)))
_HYDROGEN, _ELEMENTS = 1, 119
_NUMBERS = [Chem.GetPeriodicTable().GetAtomicNumber(symbol) for symbol in ELEMENTS]


def describe_block(
    block: AtomBlock, contributions: Contributions, rotatable: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Descriptors in the order of ``NAMES``, shape ``(m, len(NAMES))``, as ``describe`` gives them.

    ``rotatable``, of shape ``(m,)``: the number of rotatable bonds. Raises RDKit's ``RuntimeError`` or
    ``ValueError`` if RDKit fails on a molecule.
    """
    number = len(block.molecules)
    properties = np.zeros((number, len(_PROPERTIES)))
    properties[:, _OTHERS] = [_values(_others.ComputeProperties(m)) for m in block.molecules]
    for (name, count), molecules in zip(_OF_RING_PAIRS.items(), _with_ring_pairs(block), strict=True):
        for at in molecules:
            properties[at, _PROPERTIES.index(name)] = count(block.molecules[at])
    counts = _element_counts(block)
    larger = RING_SIZES[-1] + 1
    sizes = _counts(block.ring_owners, np.minimum(block.ring_sizes, larger), number, larger + 1)
    sizes = sizes[:, RING_SIZES[0] :]
    areas = np.fromiter(chain.from_iterable(map(_areas, block.molecules)), np.float64, len(block.owners))
    own = counts[:, _NUMBERS]
    triangles = {at: block.molecules[at] for at in np.flatnonzero(sizes[:, 0]).tolist()}
    bonds = Bonds(block.sources, block.targets, block.owners, number)
    columns = (
        properties,
        topologies(bonds, block.elements, block.hydrogens, properties[:, 0], triangles),
        rotatable,
        _totals(block, contributions),
        _surfaces(block, areas, contributions.logp, _LOGP_ENDS),
        _surfaces(block, areas, contributions.refractivity, _REFRACTIVITY_ENDS),
        np.array([[*charge_surfaces(molecule)] for molecule in block.molecules]),
        np.array([Chem.GetFormalCharge(molecule) for molecule in block.molecules]),
        own,
        counts.sum(axis=1) - own.sum(axis=1),
        sizes,
    )
    return finished(np.column_stack(columns))


def _with_ring_pairs(block: AtomBlock) -> tuple[list[int], list[int]]:
    """The molecules with two rings that share one atom, and those with two that share three or more."""
    rings = np.repeat(np.arange(len(block.ring_sizes)), block.ring_sizes)
    order = np.argsort(block.ring_atoms, kind="stable")
    atoms, rings = block.ring_atoms[order], rings[order]
    pairs = []
    for lag in range(1, int(block.rings.max(initial=0))):
        same = atoms[lag:] == atoms[:-lag]
        pairs.append(rings[:-lag][same] * len(block.ring_sizes) + rings[lag:][same])
    if not pairs:
        return [], []
    found, common = np.unique(np.concatenate(pairs), return_counts=True)
    owners = block.ring_owners[found // max(len(block.ring_sizes), 1)]
    return np.unique(owners[common == 1]).tolist(), np.unique(owners[common > 2]).tolist()


def _counts(
    owners: NDArray[np.integer], kinds: NDArray[np.integer], number: int, width: int
) -> NDArray[np.intp]:
    """How often each kind below ``width`` occurs for each of the owners, shape ``(number, width)``."""
    counts: NDArray[np.intp] = np.bincount(owners * width + kinds, minlength=number * width)
    return counts.reshape(number, width)


def _element_counts(block: AtomBlock) -> NDArray[np.intp]:
    """The number of atoms by atomic number, hydrogens included."""
    number = len(block.molecules)
    counts = _counts(block.owners, block.elements, number, _ELEMENTS)
    counts[:, _HYDROGEN] += np.bincount(block.owners, block.hydrogens, number).astype(np.intp)
    return counts


def _areas(molecule: Chem.Mol) -> list[float]:
    """Each atom's part of Labute's approximate surface area, in Å²."""
    areas = rdMolDescriptors._CalcLabuteASAContribs(molecule)[0]
    return list(map(areas.__getitem__, range(molecule.GetNumAtoms())))


def _surfaces(
    block: AtomBlock, areas: NDArray[np.float64], values: NDArray[np.float64], ends: Sequence[float]
) -> NDArray[np.float64]:
    """Surface areas (Å²) of the atoms whose values are in each bin, shape ``(m, len(ends) + 1)``."""
    number, width = len(block.molecules), len(ends) + 1
    bins = block.owners * width + np.searchsorted(ends, values, side="right")
    return summed(bins, areas, number * width).reshape(number, width)


def _totals(block: AtomBlock, contributions: Contributions) -> NDArray[np.float64]:
    """LogP and molar refractivity, shape ``(m, 2)``; RDKit's sums have this order of terms."""
    owners = np.concatenate([block.owners, block.owners])
    hydrogens = block.hydrogens[:, np.newaxis] * contributions.of_hydrogens
    totals = np.column_stack(
        [
            summed(owners, np.concatenate([own, its]), len(block.molecules))
            for own, its in zip(contributions[:2], hydrogens.T, strict=True)
        ]
    )
    for at in np.flatnonzero(np.isnan(totals[:, 0])).tolist():
        totals[at] = rdMolDescriptors.CalcCrippenDescriptors(block.molecules[at], force=True)
    return totals
