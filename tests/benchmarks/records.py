"""What is posted: molecules, no two alike, and pulsar candidates."""

import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from training.data.official import htru2
from training.data.official.sources import TOX21_TRAINING, locate, read
from training.release.golden_records import MOLECULES

#: Each of these, and each pair and so on, before a SMILES makes another molecule: they end in an atom
#: that binds the next one.
_GROUPS = (
    "C", "CC", "O", "N", "CO", "CN", "CCC", "OC", "NC", "CCO", "CCN", "CC(C)", "C=C", "CS", "FC(F)",
    "OCC", "NCC", "COC", "C#C", "CC(=O)", "OC(=O)", "NC(=O)", "CCCC", "CSC", "ClC", "BrC", "FC",
)  # fmt: skip


@cache
def recorded_molecules() -> tuple[str, ...] | None:
    """The samples of Tox21's training archive as SMILES, salts and all, in a fixed random order.

    None where the archive does not lie in ``SNN_DATA_DIR`` or the cache: a benchmark downloads
    nothing.
    """
    if locate(TOX21_TRAINING) is None:
        return None
    with zipfile.ZipFile(io.BytesIO(read(TOX21_TRAINING))) as archive:
        content = archive.read(archive.namelist()[0])
    with rdBase.BlockLogs():
        found = [
            Chem.MolToSmiles(molecule)
            for molecule in Chem.ForwardSDMolSupplier(io.BytesIO(content))
            if molecule is not None
        ]
    distinct = list(dict.fromkeys(smiles for smiles in found if smiles))
    random.Random(0).shuffle(distinct)
    return tuple(distinct)


def source_of_molecules() -> str:
    """A note on where the molecules are from."""
    if recorded_molecules() is None:
        return (
            "Molecules: well-known ones with groups put on, as the Tox21 archive is not in SNN_DATA_DIR."
        )
    return "Molecules: Tox21's training samples as recorded, then the same with groups put on."


class Molecules:
    """An endless supply of different molecules, so that no cache can answer for the featurizer."""

    def __init__(self) -> None:
        self._source = _distinct(recorded_molecules() or MOLECULES)

    def take(self, count: int) -> list[str]:
        """The next so many SMILES."""
        taken = list(islice(self._source, count))
        if len(taken) < count:
            raise RuntimeError("the benchmarks ran out of molecules; ask for fewer repetitions")
        return taken

    def bodies(self, count: int, size: int) -> list[list[str]]:
        """So many lists of so many SMILES."""
        return [self.take(size) for _ in range(count)]


def _distinct(base: Sequence[str]) -> Iterator[str]:
    yield from base
    with rdBase.BlockLogs():  # what takes a methyl group takes any of the groups
        roomy = [smiles for smiles in base if Chem.MolFromSmiles("C" + smiles) is not None]
    seen = set(base)
    for length in (1, 2, 3):
        for parts in product(_GROUPS, repeat=length):
            for smiles in roomy:
                grown = "".join(parts) + smiles
                if grown not in seen and len(grown) < 200:
                    seen.add(grown)
                    yield grown


@cache
def recorded_candidates() -> NDArray[np.float64] | None:
    """HTRU2's candidates, shape (17898, 8); None where the file is not at hand."""
    if locate(htru2.HTRU2) is None:
        return None
    return np.array(htru2.load().records)


def candidates(count: int) -> NDArray[np.float64]:
    """Candidates of shape ``(count, 8)``: recorded ones, or made-up ones that span their ranges."""
    recorded = recorded_candidates()
    if recorded is not None:
        return recorded[np.random.default_rng(0).integers(len(recorded), size=count)]
    return made_candidates(count)


def made_candidates(count: int) -> NDArray[np.float64]:
    """Made-up candidates (count, 8) of moments that a sample can have: the service refuses others."""
    generator = np.random.default_rng(0)
    centre = np.array([110, 46, 0.5, 0, 12, 26, 8, 0])
    spread = np.array([25, 7, 1, 0, 30, 20, 4.5, 0])
    made = centre + spread * generator.standard_normal((count, 8))
    made[:, [1, 5]] = np.abs(made[:, [1, 5]])
    above = np.abs(generator.standard_normal((count, 2))) * [2, 20]
    made[:, [3, 7]] = np.square(made[:, [2, 6]]) - 1 + above
    return made.round(6)
