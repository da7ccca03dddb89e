"""Contributions of a molecule's atoms to a logit, and the connected atoms that it needs most.

The logit is computed for the molecule and for some forty deletions of atoms and groups. The
contributions are the weights of a ridge regression of the changes on the atoms that were deleted: their
sums follow what deletions do, of single atoms as of groups. The scheme is that of M. T. Ribeiro,
S. Singh, C. Guestrin, *Why Should I Trust You?* (LIME), KDD 2016, with deleted atoms as features.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.explanation.deletion import Atoms, deletions, kekulized, without

#: Deletions that the contributions are fitted to, and more to find the atoms that are needed most.
_DELETIONS, _SEEDS = 40, 5
#: The needed atoms are at most this share of all, and at least and at most so many.
_SHARE, _LEAST, _MOST = 0.25, 2, 8
_RIDGE = 0.1

#: Logits of shape ``(n,)`` of n molecules, NaN where there is none.
Logits = Callable[[Sequence[Chem.Mol]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Contributions to a logit; atoms are numbered as in the molecule.

    ``contributions``, of shape ``(atoms,)``, are about how much the logit falls if the atom is deleted.
    ``needed`` are the connected atoms whose deletion lowers the logit most, ``without_needed`` is the
    logit of what is left; empty and None if none lowers it.
    """

    logit: float
    contributions: NDArray[np.float64]
    needed: tuple[int, ...]
    without_needed: float | None


def attribute(molecule: Chem.Mol, logits: Logits) -> Attribution:
    """Explain the logit of a sanitised molecule."""
    ground = kekulized(molecule)
    sets = deletions(molecule, _DELETIONS)
    made = [without(ground, atoms) for atoms in sets]
    known = [(atoms, left) for atoms, left in zip(sets, made, strict=True) if left is not None]
    values = logits([molecule, *(left for _, left in known)])
    logit, size = float(values[0]), molecule.GetNumAtoms()
    falls = {
        atoms: logit - float(value)
        for (atoms, _), value in zip(known, values[1:], strict=True)
        if np.isfinite(value)
    }
    contributions = _fit(falls, size)
    largest = min(max(round(_SHARE * size), _LEAST), _MOST)
    grown = [atoms for atoms in _grown(molecule, contributions, largest) if atoms not in falls]
    more = [(atoms, left) for atoms in grown if (left := without(ground, atoms)) is not None]
    if more:
        found = logits([left for _, left in more])
        falls |= {
            atoms: logit - float(value)
            for (atoms, _), value in zip(more, found, strict=True)
            if np.isfinite(value)
        }
        contributions = _fit(falls, size)
    small = {atoms: fall for atoms, fall in falls.items() if len(atoms) <= largest and fall > 0}
    if not small:
        return Attribution(logit, contributions, (), None)
    needed = max(small, key=lambda atoms: (small[atoms], -len(atoms)))
    return Attribution(logit, contributions, tuple(sorted(needed)), logit - small[needed])


def _fit(falls: dict[Atoms, float], size: int) -> NDArray[np.float64]:
    """Weights of the atoms whose sums are the falls, by ridge regression."""
    deleted = np.zeros((len(falls), size))
    for row, atoms in enumerate(falls):
        deleted[row, list(atoms)] = 1
    # Large deletions leave little of the molecule and tell less of one atom.
    weight = 1 / np.sqrt(np.maximum(deleted.sum(axis=1, keepdims=True), 1))
    weighted = deleted * weight
    target = np.array(list(falls.values())) * weight[:, 0]
    solved: NDArray[np.float64] = np.linalg.solve(
        weighted.T @ weighted + _RIDGE * np.eye(size), weighted.T @ target
    )
    return solved


def _grown(molecule: Chem.Mol, contributions: NDArray[np.float64], largest: int) -> Iterable[Atoms]:
    """Connected atoms of high contributions, grown atom by atom from each of the highest ones."""
    for seed in np.argsort(-contributions)[:_SEEDS].tolist():
        atoms = {seed}
        while len(atoms) < largest:
            beside = {
                other.GetIdx()
                for index in atoms
                for other in molecule.GetAtomWithIdx(index).GetNeighbors()
            } - atoms
            if not beside:
                break
            atoms.add(max(beside, key=lambda index: (contributions[index], -index)))
        yield frozenset(atoms)
