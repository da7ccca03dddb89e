"""The data sets, each checked against its publisher's counts and brought into one shape."""

from models.features import Featurizer, create
from training.data.dataset import Dataset
from training.data.htru2 import load as load_htru2

__all__ = ["Dataset", "featurizer_for", "load_htru2"]


def featurizer_for(dataset: Dataset) -> Featurizer:
    """The featurizer of this data set, with what it must learn from the rows learned."""
    return create(dataset.featurizer, {})
