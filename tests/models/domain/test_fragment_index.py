"""The index finds what a comparison of every pair finds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.fragment_index import FragmentIndex

FINGERPRINT = st.dictionaries(st.integers(0, 30), st.integers(1, 400), max_size=20)


def tanimoto(one: dict[int, int], other: dict[int, int]) -> float:
    """Tanimoto of counts, by the definition."""
    shared = sum((Counter(one) & Counter(other)).values())
    return shared / max(sum(one.values()) + sum(other.values()) - shared, 1)


@given(st.lists(FINGERPRINT, min_size=1, max_size=300), st.lists(FINGERPRINT, min_size=1, max_size=4))
def test_similarities_are_those_of_every_pair(compounds, molecules) -> None:
    """Of fragments that are rare, that hundreds have, of counts beyond a byte, and of none at all."""
    index = FragmentIndex.of(compounds)
    known = index.known(molecules)
    found = list(index.similarities(known))
    assert len(found) == len(molecules)
    for molecule, similarity, highest in zip(molecules, found, index.highest(known), strict=True):
        expected = [tanimoto(molecule, compound) for compound in compounds]
        np.testing.assert_allclose(similarity, expected, atol=1e-12)
        assert highest == pytest.approx(max(expected), abs=1e-12)


def test_common_fragments_are_compared_by_rows() -> None:
    """What hundreds of compounds have, some of them often, gives the same similarity."""
    rng = np.random.default_rng(0)
    compounds = [
        {fragment: int(rng.integers(1, 9)) for fragment in rng.choice(12, 6, replace=False).tolist()}
        for _ in range(900)
    ]
    index = FragmentIndex.of(compounds)
    assert len(index._rows) > 40
    molecules = [*compounds[:5], {0: 30, 5: 2, 99: 4}, {77: 1}, {}]
    known = index.known(molecules)
    for molecule, similarity, highest in zip(
        molecules, index.similarities(known), index.highest(known), strict=True
    ):
        expected = [tanimoto(molecule, compound) for compound in compounds]
        np.testing.assert_allclose(similarity, expected, atol=1e-12)
        assert highest == pytest.approx(max(expected), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ids", np.array([3, 2], np.uint32)),
        ("ids", np.array([2, 3], np.int64)),
        ("starts", np.array([0, 3], np.int32)),
        ("starts", np.array([0, 2, 4], np.int32)),
        ("starts", np.array([0, 0, 3], np.int32)),
        ("places", np.array([0, 1, 2], np.int32)),
        ("places", np.array([0, -1, 1], np.int32)),
        ("counts", np.array([1, 0, 1], np.uint16)),
        ("counts", np.array([1, 1], np.uint16)),
    ],
)
def test_a_malformed_index_is_refused(name: str, value: np.ndarray) -> None:
    """Before anything is looked up in it."""
    arrays = {
        "ids": np.array([2, 3], np.uint32),
        "starts": np.array([0, 2, 3], np.int32),
        "places": np.array([0, 1, 1], np.int32),
        "counts": np.array([1, 2, 1], np.uint16),
    }
    FragmentIndex(2, **arrays)
    with pytest.raises(ValueError, match="malformed"):
        FragmentIndex(2, **(arrays | {name: value}))
