"""Physico-chemical descriptors of a parent molecule."""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

_PROPERTIES = rdMolDescriptors.Properties()
NAMES: tuple[str, ...] = (
    *_PROPERTIES.GetPropertyNames(),
    *(f"PEOE_VSA{i}" for i in range(1, 15)),
    *(f"SMR_VSA{i}" for i in range(1, 11)),
    *(f"SlogP_VSA{i}" for i in range(1, 13)),
)


def describe(molecule: Chem.Mol) -> NDArray[np.float64]:
    """Descriptor values in the order of ``NAMES``; NaN where one is undefined."""
    try:
        charges = rdMolDescriptors.PEOE_VSA_(molecule)
    except ValueError:  # an element without Gasteiger parameters
        charges = [np.nan] * 14
    return np.array(
        [
            *_PROPERTIES.ComputeProperties(molecule),
            *charges,
            *rdMolDescriptors.SMR_VSA_(molecule),
            *rdMolDescriptors.SlogP_VSA_(molecule),
        ]
    )
