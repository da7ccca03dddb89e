"""The data sets, each checked against its publisher's counts and brought into one shape."""

from models.features import Featurizer, create
from training.data.dataset import Dataset
from training.data.fragment_choice import (
    PHARMACOPHORE_RADIUS,
    RADIUS,
    choose_fragments,
    choose_pharmacophores,
)
from training.data.official.htru2 import load as load_htru2
from training.data.official.tox21 import load as load_tox21
from training.data.official.tox21 import load_twin as load_tox21_twin
from training.data.tables.load import Reading
from training.data.tables.load import load as load_table
from training.data.tables.own_rows import load_candidates, load_molecules

__all__ = [
    "Dataset",
    "Reading",
    "featurizer_for",
    "load_candidates",
    "load_htru2",
    "load_molecules",
    "load_table",
    "load_tox21",
    "load_tox21_twin",
]


def featurizer_for(dataset: Dataset) -> Featurizer:
    """The featurizer of this data set, with what it must learn from the rows learned.

    For molecules these are the fragments to count, chosen among the data set's own parents.
    """
    if dataset.featurizer != "molecules-2":
        return create(dataset.featurizer, dataset.parameters)
    parents = [str(record) for record in dataset.records]
    return create(
        dataset.featurizer,
        {
            "radius": RADIUS,
            "fragments": choose_fragments(parents),
            "pharmacophore_radius": PHARMACOPHORE_RADIUS,
            "pharmacophores": choose_pharmacophores(parents),
        },
    )
