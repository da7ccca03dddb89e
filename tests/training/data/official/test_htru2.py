"""HTRU2 as it is published."""

import numpy as np
import pytest

from models.features import Accepted
from training.data import featurizer_for, load_htru2
from training.data.official import htru2
from training.data.official.sources import HTRU2, locate
from training.errors import DataError


@pytest.fixture(scope="module")
def dataset():
    """The official data set, where it is at hand."""
    if locate(HTRU2) is None:
        pytest.skip(f"{HTRU2.name} is not at hand: set SNN_DATA_DIR to a folder that holds it")
    return load_htru2()


def test_the_published_counts_and_ranges_hold(dataset):
    """Positions mean what the data notes say, not what the Readme says."""
    table = np.array(dataset.records)
    assert dataset.summary == {"candidates": 17_898, "pulsars": 1_639, "noise": 16_259}
    np.testing.assert_allclose(table.min(axis=0)[[0, 2, 7]], [5.8125, -1.876, -1.977], atol=1e-3)
    np.testing.assert_allclose(table.max(axis=0)[[0, 2, 7]], [192.617, 8.070, 1191.001], atol=1e-3)
    for skewness, kurtosis in ((2, 3), (6, 7)):
        assert (table[:, kurtosis] >= table[:, skewness] ** 2 - 2 - 1e-6).all()


def test_the_shape_is_the_trainers(dataset):
    """Every row has a label and a fold, and the file is named with its hash."""
    assert dataset.labels.shape == (17_898, 1)
    assert dataset.labels.dtype == np.float32
    assert dataset.targets == ("pulsar",)
    assert sorted(set(dataset.folds.tolist())) == [0, 1, 2, 3, 4]
    assert dataset.sources == {HTRU2.pinned: HTRU2.sha256}
    shares = [dataset.labels[dataset.folds == fold].mean() for fold in range(5)]
    assert max(shares) - min(shares) < 0.01


def test_every_candidate_is_read(dataset):
    """The featurizer takes the records as they are."""
    answer = featurizer_for(dataset).featurize(dataset.records)
    assert set(map(type, answer.outcomes)) == {Accepted}
    np.testing.assert_array_equal(answer.rows, np.array(dataset.records, dtype=np.float32))


def test_a_short_file_is_refused(monkeypatch):
    """Counts that are not the published ones stop the load."""
    line = b"1,2,3,4,5,6,7,8,1"
    monkeypatch.setattr(htru2, "read", lambda _: b"\r".join([line] * 3))
    with pytest.raises(DataError, match="'pulsars': 3"):
        load_htru2()
