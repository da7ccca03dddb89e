"""Physico-chemical descriptors and molecular quantum numbers of a parent molecule.

Names and values are RDKit's; values that are computed in another way here agree to rounding. EState,
BCUT2D, QED, BertzCT, Ipc and chi of order four are left out: they take long and did not improve the
accuracy on the folds. Stereo descriptors are left out because parents have no stereo.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from models.features.molecules.crippen import logp_and_refractivity
from models.features.molecules.topology import NAMES as TOPOLOGY
from models.features.molecules.topology import topology

# The largest absolute value of a descriptor: above all plausible values and well within float32.
LIMIT = 1e6

PROPERTIES = rdMolDescriptors.Properties((
    "hallKierAlpha",  # first, because ``describe`` needs it
    "amw", "lipinskiHBA", "lipinskiHBD", "NumHBD", "NumHeavyAtoms", "NumAtoms", "NumHeteroatoms",
    "NumAmideBonds", "FractionCSP3", "NumRings", "NumAromaticRings", "NumAliphaticRings",
    "NumSaturatedRings", "NumHeterocycles", "NumAromaticHeterocycles", "NumSaturatedHeterocycles",
    "NumAliphaticHeterocycles", "NumSpiroAtoms", "NumBridgeheadAtoms", "labuteASA", "tpsa",
    "chi0n", "chi1n", "chi0v", "chi1v", "kappa1",
))  # fmt: skip
LINKAGES = rdMolDescriptors.NumRotatableBondsOptions.StrictLinkages
_PEOE = 14
ELEMENTS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")
RING_SIZES = (3, 4, 5, 6, 7)
_FORMULA = re.compile(r"([A-Z][a-z]?)(\d*)")

NAMES: tuple[str, ...] = (
    *PROPERTIES.GetPropertyNames(),
    *TOPOLOGY,
    "NumRotatableBonds",
    "CrippenClogP",
    "CrippenMR",
    *(f"SlogP_VSA{i}" for i in range(1, 13)),
    *(f"SMR_VSA{i}" for i in range(1, 11)),
    *(f"PEOE_VSA{i}" for i in range(1, _PEOE + 1)),
    "FormalCharge",
    *(f"Num{element}" for element in ELEMENTS),
    "NumOtherElements",
    *(f"NumRings{size}" for size in RING_SIZES),
    "NumRingsLarger",
)
QUANTUM_NUMBERS = tuple(f"MQN_{number}" for number in range(1, 43))


def describe(molecule: Chem.Mol) -> NDArray[np.float32]:
    """Descriptors of a sanitised molecule in the order of ``NAMES``, shape ``(len(NAMES),)``.

    NaN where a descriptor is undefined or not finite (the graph imputes it). Values are clipped to
    ±``LIMIT``. Raises RDKit's ``RuntimeError`` or ``ValueError`` if RDKit fails on the molecule.
    """
    counts = element_counts(molecule)
    atoms = [(atom.GetAtomicNum(), atom.GetTotalNumHs()) for atom in molecule.GetAtoms()]
    elements, hydrogens = np.array(atoms).T
    rings = [len(ring) for ring in molecule.GetRingInfo().AtomRings()]
    properties = PROPERTIES.ComputeProperties(molecule)
    values = (
        *properties,
        *topology(molecule, elements, hydrogens, properties[0], 3 in rings),
        rdMolDescriptors.CalcNumRotatableBonds(molecule, LINKAGES),
        *logp_and_refractivity(molecule, atoms),
        *rdMolDescriptors.SlogP_VSA_(molecule),
        *rdMolDescriptors.SMR_VSA_(molecule),
        *charge_surfaces(molecule),
        Chem.GetFormalCharge(molecule),
        *(counts.get(element, 0) for element in ELEMENTS),
        sum(number for symbol, number in counts.items() if symbol not in ELEMENTS),
        *(rings.count(size) for size in RING_SIZES),
        sum(size > RING_SIZES[-1] for size in rings),
    )
    return finished(np.array(values, dtype=np.float64))


def finished(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values of any shape as ``describe`` returns them; changes ``values``."""
    values[~np.isfinite(values)] = np.nan
    return np.clip(values, -LIMIT, LIMIT).astype(np.float32)


def quantum_numbers(molecule: Chem.Mol) -> Sequence[int]:
    """Molecular quantum numbers in the order of ``QUANTUM_NUMBERS``.

    K. T. Nguyen, L. C. Blum, R. van Deursen, J.-L. Reymond, ChemMedChem 4 (2009) 1803: 42 counts of
    atoms, bonds, polar groups and topology. Some repeat a descriptor; all are kept, because RDKit
    computes them in one call of 40 microseconds.
    """
    counts: Sequence[int] = rdMolDescriptors.MQNs_(molecule)
    return counts


def element_counts(molecule: Chem.Mol) -> dict[str, int]:
    """The number of atoms of each element by its symbol, hydrogens included."""
    formula = rdMolDescriptors.CalcMolFormula(molecule)
    return {symbol: int(number or 1) for symbol, number in _FORMULA.findall(formula)}


def charge_surfaces(molecule: Chem.Mol) -> Iterable[float]:
    """Surface areas (Å²) by Gasteiger charge, NaN where an element has no Gasteiger parameters.

    RDKit then puts the whole surface into the last bin, which never happens otherwise.
    """
    surfaces: Sequence[float] = rdMolDescriptors.PEOE_VSA_(molecule)
    return surfaces if any(surfaces[:-1]) else [np.nan] * _PEOE
