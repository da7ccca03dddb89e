"""The data sets, each checked against its publisher's counts and brought into one shape."""

from training.data.dataset import Dataset, featurizer_for
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
