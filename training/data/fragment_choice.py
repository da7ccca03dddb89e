"""Which circular fragments are counted: the commonest of the training molecules."""

from collections import Counter
from collections.abc import Callable, Sequence

from rdkit import Chem

from models.features.molecules.fingerprints import fragment_counts, pharmacophore_counts
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import parent

RADIUS, FRAGMENTS = 3, 1_024
PHARMACOPHORE_RADIUS, PHARMACOPHORES = 2, 512


def fragment_parameters(parents: Sequence[str]) -> dict[str, object]:
    """The parameters of a featurizer of molecules, chosen among parents given as SMILES.

    Each kind of fragments holds the ids that occur in most parents, the commonest first. Labels are
    not used. Ties go to the smaller id, so that the choice depends on the set alone.
    """
    return {
        "radius": RADIUS,
        "fragments": _commonest(parents, lambda mol: fragment_counts(mol, RADIUS), FRAGMENTS),
        "pharmacophore_radius": PHARMACOPHORE_RADIUS,
        "pharmacophores": _commonest(
            parents, lambda mol: pharmacophore_counts(mol, PHARMACOPHORE_RADIUS), PHARMACOPHORES
        ),
    }


def _commonest(
    parents: Sequence[str], count: Callable[[Chem.Mol], dict[int, int]], number: int
) -> list[int]:
    occurrences: Counter[int] = Counter()
    with captured_rdkit_log():
        for smiles in parents:
            occurrences.update(count(parent(smiles)).keys())
    ranked = sorted(occurrences, key=lambda fragment: (-occurrences[fragment], fragment))
    return ranked[:number]
