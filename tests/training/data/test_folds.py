"""Folds depend on the row and on nothing else."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.data.folds import FOLDS, fold_of, folds_of_molecules, folds_of_rows, scaffold

rows = arrays(
    np.float64,
    st.tuples(st.integers(1, 20), st.just(8)),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


def test_the_rule_is_the_documented_one():
    """Eight bytes of the sha256, big-endian, modulo five."""
    digest = hashlib.sha256(b"c1ccccc1").hexdigest()
    assert fold_of(b"c1ccccc1") == int(digest[:16], 16) % 5


def test_published_folds_never_move():
    """Models of different years are compared on these folds: a change would leak rows."""
    assert folds_of_rows(np.arange(24.0).reshape(3, 8)).tolist() == [1, 3, 0]
    assert folds_of_molecules(["CCO", "c1ccc2ccccc2c1", "Cc1ccc2ccccc2c1"]).tolist() == [0, 4, 4]


@given(rows, st.randoms(use_true_random=False))
def test_a_rows_fold_ignores_the_other_rows(table, random):
    """Any order and any company give each row the same fold."""
    order = list(range(len(table)))
    random.shuffle(order)
    np.testing.assert_array_equal(folds_of_rows(table)[order], folds_of_rows(table[order]))
    np.testing.assert_array_equal(folds_of_rows(table[:1]), folds_of_rows(table)[:1])


def test_minus_zero_is_zero():
    """Equal rows share a fold however their zeros are signed."""
    np.testing.assert_array_equal(folds_of_rows(np.zeros((1, 8))), folds_of_rows(-np.zeros((1, 8))))


@pytest.mark.parametrize(
    ("parent", "key"),
    [
        ("CCCCCO", "CCCCCO"),
        ("Cc1ccccc1", "Cc1ccccc1"),
        ("Cc1ccc2ccccc2c1", "c1ccc2ccccc2c1"),
        ("CCC(c1ccccc1)c1ccc(O)cc1", "c1ccc(Cc2ccccc2)cc1"),
    ],
)
def test_relatives_share_a_scaffold_and_single_rings_stand_alone(parent, key):
    """Two rings or more make a scaffold; one ring would heap unrelated molecules on benzene."""
    assert scaffold(parent) == key


def test_folds_are_about_equal():
    """A fair hash spreads many rows evenly."""
    table = np.random.default_rng(0).normal(size=(5000, 8))
    counts = np.bincount(folds_of_rows(table), minlength=FOLDS)
    assert counts.min() > 900
    assert counts.max() < 1100
