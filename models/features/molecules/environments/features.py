"""All features of a block of molecules at once that depend on what atoms have around them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.features.molecules.descriptors import NAMES as DESCRIPTORS
from models.features.molecules.environments.atoms import AtomBlock
from models.features.molecules.environments.contributions import ContributionTable, second_stars
from models.features.molecules.environments.descriptors import describe_block
from models.features.molecules.environments.keys import KeyMatcher
from models.features.molecules.environments.surroundings import Surroundings
from models.features.molecules.structural_keys import NAMES as KEYS


class BlockFeatures(NamedTuple):
    """Features of those molecules of a block that can be computed so; ``taken`` are their positions.

    ``descriptors`` and ``keys`` are those of ``describe`` and ``structural_keys``; ``functions`` are
    for each molecule its atoms' invariants of functional fingerprints.
    """

    taken: list[int]
    descriptors: NDArray[np.float32]
    keys: NDArray[np.float32]
    functions: list[list[int]]


_keys = KeyMatcher()
_second = second_stars()
_stars = tuple(dict.fromkeys((*_keys.stars, *_second)))
_second_columns = [_stars.index(star) for star in _second]
_surroundings = Surroundings(_stars)
_contributions = ContributionTable()


_NONE = BlockFeatures(
    [], np.empty((0, len(DESCRIPTORS)), np.float32), np.empty((0, len(KEYS)), np.float32), []
)


def block_features(molecules: Sequence[Chem.Mol], smiles: Sequence[str]) -> BlockFeatures:
    """The features of molecules that were read from canonical SMILES, as far as they can be computed so.

    Of none of them, if what an atom has around it is beyond what is remembered. Raises RDKit's ``RuntimeError`` or ``ValueError`` if RDKit fails on a molecule.
    """
    block = AtomBlock(molecules, smiles, _surroundings.classes)
    if not block.taken:
        return _NONE
    keys, matches, known = _surroundings.matches(block)
    contributions, told = _contributions.of(block, keys, matches[:, _second_columns])
    if not (known & told).all():
        return _NONE
    counts = np.add.reduceat(matches[:, : len(_keys.stars)], block.starts, axis=0, dtype=np.uint8)
    ends = [*block.starts[1:].tolist(), len(block.owners)]
    features = contributions.features.tolist()
    return BlockFeatures(
        block.taken,
        describe_block(block, contributions),
        _keys.rows(block.molecules, counts),
        [features[start:end] for start, end in zip(block.starts.tolist(), ends, strict=True)],
    )
