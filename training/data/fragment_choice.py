"""Which circular fragments are counted: the commonest of the training molecules."""

from collections import Counter
from collections.abc import Callable, Iterable

from rdkit import Chem

from models.features.molecules.fingerprints import fragment_counts, pharmacophore_counts
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.standardise import parent

RADIUS = 3
FRAGMENTS = 1_024
PHARMACOPHORE_RADIUS = 2
PHARMACOPHORES = 512


def choose_fragments(parents: Iterable[str]) -> list[int]:
    """The ids of the ``FRAGMENTS`` fragments that occur in most parents, the commonest first.

    Labels play no part. Ties go to the smaller id, so the choice depends on the set alone.
    """
    return _commonest(parents, lambda molecule: fragment_counts(molecule, RADIUS), FRAGMENTS)


def choose_pharmacophores(parents: Iterable[str]) -> list[int]:
    """As ``choose_fragments``: the ``PHARMACOPHORES`` commonest fragments of pharmacophore atoms."""
    return _commonest(
        parents,
        lambda molecule: pharmacophore_counts(molecule, PHARMACOPHORE_RADIUS),
        PHARMACOPHORES,
    )


def _commonest(
    parents: Iterable[str], count: Callable[[Chem.Mol], dict[int, int]], number: int
) -> list[int]:
    occurrences: Counter[int] = Counter()
    with captured_rdkit_log():
        for smiles in parents:
            occurrences.update(count(parent(smiles)).keys())
    ranked = sorted(occurrences, key=lambda fragment: (-occurrences[fragment], fragment))
    return ranked[:number]
