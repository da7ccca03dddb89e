"""Molecular quantum numbers: 42 counts of atoms, bonds, polar groups and topology.

K. T. Nguyen, L. C. Blum, R. van Deursen, J.-L. Reymond, ChemMedChem 4 (2009) 1803. Several repeat a
descriptor; all are kept, for they come in one call of 40 microseconds.
"""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

NAMES: tuple[str, ...] = tuple(f"MQN_{number}" for number in range(1, 43))


def quantum_numbers(molecule: Chem.Mol) -> NDArray[np.float32]:
    """The counts in the order of ``NAMES``, shape ``(42,)``."""
    return np.array(rdMolDescriptors.MQNs_(molecule), dtype=np.float32)
