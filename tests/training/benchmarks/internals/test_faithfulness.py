"""The comparison of needed with random atoms, on a logit that is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from rdkit import Chem

from training.benchmarks.internals.faithfulness import _compared, _connected

MOLECULE = Chem.MolFromSmiles("ClCCCCCc1ccc(C)cc1")


def chlorines(molecules: Sequence[Chem.Mol]) -> np.ndarray:
    """A logit of 4 for each chlorine."""
    counts = [sum(atom.GetAtomicNum() == 17 for atom in one.GetAtoms()) for one in molecules]
    return 4.0 * np.array(counts)


def test_needed_atoms_lower_a_known_logit_by_all_of_it() -> None:
    """Random atoms seldom hit the chlorine; the time is that of the explanation."""
    fall, change, random_fall, seconds = _compared(MOLECULE, chlorines, np.random.default_rng(0))
    assert fall == pytest.approx(4.0)
    assert change == random_fall < fall
    assert 0 < seconds < 10


@pytest.mark.parametrize("logits", [lambda molecules: np.zeros(len(molecules))])
def test_what_needs_no_atoms_is_left_out(logits) -> None:
    """And so is a molecule that is too small to choose among its atoms."""
    assert _compared(MOLECULE, logits, np.random.default_rng(0)) is None
    assert _compared(Chem.MolFromSmiles("CCCl"), chlorines, np.random.default_rng(0)) is None


@pytest.mark.parametrize("size", [1, 3, 7])
def test_random_atoms_are_connected(size: int) -> None:
    """As many as are asked for."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        atoms = _connected(MOLECULE, size, rng)
        assert len(atoms) == size
        inside = [
            bond
            for bond in MOLECULE.GetBonds()
            if {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= atoms
        ]
        assert len(inside) >= size - 1
