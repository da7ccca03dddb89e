"""Which circular fragments are counted: the commonest of the training molecules."""

from collections import Counter
from collections.abc import Iterable

from models.features.complaints import complaints
from models.features.fragments import fragment_counts
from models.features.standardise import parent

RADIUS = 3
FRAGMENTS = 1_024


def choose_fragments(parents: Iterable[str]) -> list[int]:
    """The ids of the ``FRAGMENTS`` fragments that occur in most parents, the commonest first.

    Labels play no part. Ties go to the smaller id, so the choice depends on the set alone.
    """
    occurrences: Counter[int] = Counter()
    with complaints():
        for smiles in parents:
            occurrences.update(fragment_counts(parent(smiles), RADIUS).keys())
    ranked = sorted(occurrences, key=lambda fragment: (-occurrences[fragment], fragment))
    return ranked[:FRAGMENTS]
