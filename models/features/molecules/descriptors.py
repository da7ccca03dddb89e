"""Physico-chemical descriptors of a parent molecule.

The names are RDKit's, and so are the values, to rounding, whichever way they are reached here.
Left out for their price, since nothing was lost on the folds: EState, BCUT2D, QED, BertzCT, Ipc,
chi of order four; stereo descriptors because parents have none.
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

# What a descriptor may reach; nothing sensible lies beyond, and float32 holds it with room.
LIMIT = 1e6

_PROPERTIES = rdMolDescriptors.Properties(
    (
        "hallKierAlpha",  # first, because ``describe`` needs it
        "amw",
        "lipinskiHBA",
        "lipinskiHBD",
        "NumHBD",
        "NumHeavyAtoms",
        "NumAtoms",
        "NumHeteroatoms",
        "NumAmideBonds",
        "FractionCSP3",
        "NumRings",
        "NumAromaticRings",
        "NumAliphaticRings",
        "NumSaturatedRings",
        "NumHeterocycles",
        "NumAromaticHeterocycles",
        "NumSaturatedHeterocycles",
        "NumAliphaticHeterocycles",
        "NumSpiroAtoms",
        "NumBridgeheadAtoms",
        "labuteASA",
        "tpsa",
        "chi0n",
        "chi1n",
        "chi0v",
        "chi1v",
        "kappa1",
    )
)
_LINKAGES = rdMolDescriptors.NumRotatableBondsOptions.StrictLinkages
_PEOE = 14
_ELEMENTS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")
_RING_SIZES = (3, 4, 5, 6, 7)
_FORMULA = re.compile(r"([A-Z][a-z]?)(\d*)")

NAMES: tuple[str, ...] = (
    *_PROPERTIES.GetPropertyNames(),
    *TOPOLOGY,
    "NumRotatableBonds",
    "CrippenClogP",
    "CrippenMR",
    *(f"SlogP_VSA{i}" for i in range(1, 13)),
    *(f"SMR_VSA{i}" for i in range(1, 11)),
    *(f"PEOE_VSA{i}" for i in range(1, _PEOE + 1)),
    "FormalCharge",
    *(f"Num{element}" for element in _ELEMENTS),
    "NumOtherElements",
    *(f"NumRings{size}" for size in _RING_SIZES),
    "NumRingsLarger",
)


def describe(molecule: Chem.Mol) -> NDArray[np.float32]:
    """Descriptor values in the order of ``NAMES``, shape ``(len(NAMES),)``.

    NaN where a descriptor is undefined or not finite (the graph imputes it); anything beyond
    ``LIMIT`` is clipped to it.
    """
    symbols = element_counts(molecule)
    atoms = [(atom.GetAtomicNum(), atom.GetTotalNumHs()) for atom in molecule.GetAtoms()]
    table = np.array(atoms)
    rings = [len(ring) for ring in molecule.GetRingInfo().AtomRings()]
    properties = _PROPERTIES.ComputeProperties(molecule)
    surfaces = (*rdMolDescriptors.SlogP_VSA_(molecule), *rdMolDescriptors.SMR_VSA_(molecule))
    values = (
        *properties,
        *topology(molecule, table[:, 0], table[:, 1] * 1.0, properties[0], 3 in rings),
        rdMolDescriptors.CalcNumRotatableBonds(molecule, _LINKAGES),
        *logp_and_refractivity(molecule, atoms),
        *surfaces,
        *_charge_surfaces(molecule),
        Chem.GetFormalCharge(molecule),
        *(symbols.get(element, 0) for element in _ELEMENTS),
        sum(number for symbol, number in symbols.items() if symbol not in _ELEMENTS),
        *(rings.count(size) for size in _RING_SIZES),
        sum(size > _RING_SIZES[-1] for size in rings),
    )
    row = np.array(values, dtype=np.float64)
    row[~np.isfinite(row)] = np.nan
    return np.clip(row, -LIMIT, LIMIT).astype(np.float32)


def element_counts(molecule: Chem.Mol) -> dict[str, int]:
    """How many atoms of each element, hydrogens among them, by symbol."""
    formula = rdMolDescriptors.CalcMolFormula(molecule)
    return {symbol: int(number or 1) for symbol, number in _FORMULA.findall(formula)}


def _charge_surfaces(molecule: Chem.Mol) -> Iterable[float]:
    """Surface by Gasteiger charge.

    Where an element has no Gasteiger parameters RDKit puts all of it into the last bin, which
    otherwise never happens.
    """
    surfaces: Sequence[float] = rdMolDescriptors.PEOE_VSA_(molecule)
    return surfaces if any(surfaces[:-1]) else [np.nan] * _PEOE
