"""All features of a block of molecules at once that depend on what atoms have around them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.features.molecules.descriptors import NAMES as DESCRIPTORS
from models.features.molecules.descriptors import QUANTUM_NUMBERS
from models.features.molecules.environments.atoms import AtomBlock
from models.features.molecules.environments.contributions import ContributionTable, second_stars
from models.features.molecules.environments.descriptors import describe_block
from models.features.molecules.environments.keys import KeyMatcher
from models.features.molecules.environments.quantum_numbers import (
    count_block,
    count_linkages,
    rotor_stars,
)
from models.features.molecules.environments.surroundings import Surroundings
from models.features.molecules.structural_keys import NAMES as KEYS


class BlockFeatures(NamedTuple):
    """Features of those molecules of a block that can be computed so; ``taken`` are their positions.

    ``descriptors``, ``quantum_numbers`` and ``keys`` are those of the functions ``describe``,
    ``quantum_numbers`` and ``structural_keys``; ``functions`` are those of each molecule's atoms that
    ``pharmacophore_counts`` takes.
    """

    taken: list[int]
    descriptors: NDArray[np.float32]
    quantum_numbers: NDArray[np.float32]
    keys: NDArray[np.float32]
    functions: list[list[int]]


_keys = KeyMatcher()
_second = second_stars()
_rotors = rotor_stars()
_stars = tuple(dict.fromkeys((*_keys.stars, *_keys.paths.stars, *_second, *_rotors)))
_path_columns = [_stars.index(star) for star in _keys.paths.stars]
_second_columns = [_stars.index(star) for star in _second]
_rotor_columns = [_stars.index(star) for star in _rotors]
_surroundings = Surroundings(_stars)
_contributions = ContributionTable()


def _nothing(names: Sequence[str]) -> NDArray[np.float32]:
    return np.empty((0, len(names)), np.float32)


_NONE = BlockFeatures([], _nothing(DESCRIPTORS), _nothing(QUANTUM_NUMBERS), _nothing(KEYS), [])


def block_features(molecules: Sequence[Chem.Mol], smiles: Sequence[str]) -> BlockFeatures:
    """The features of molecules that were read from canonical SMILES, as far as they can be computed so.

    Without those that have an atom with more around it than is remembered. Raises RDKit's
    ``RuntimeError`` or ``ValueError`` if RDKit fails on a molecule.
    """
    block = AtomBlock(molecules, smiles, _surroundings.classes)
    if not block.taken:
        return _NONE
    matches, known = _surroundings.matches(block)
    contributions, told = _contributions.of(block, matches[:, _second_columns])
    unknown = {*block.owners[~(known & told)].tolist()}
    if unknown:  # then without their molecules
        kept = [at for row, at in enumerate(block.taken) if row not in unknown]
        found = block_features([molecules[at] for at in kept], [smiles[at] for at in kept])
        return found._replace(taken=[kept[row] for row in found.taken])
    counts = np.add.reduceat(matches[:, : len(_keys.stars)], block.starts, axis=0, dtype=np.uint8)
    ends = [*block.starts[1:].tolist(), len(block.owners)]
    features = contributions.features.tolist()
    rotors = matches[:, _rotor_columns]
    return BlockFeatures(
        block.taken,
        describe_block(block, contributions, count_linkages(block, rotors)),
        count_block(block, rotors),
        _keys.rows(block, counts, matches[:, _path_columns].view(np.bool_)),
        [features[start:end] for start, end in zip(block.starts.tolist(), ends, strict=True)],
    )
