"""The rows that have no relative in another fold."""

import numpy as np

from training.data.official.far_rows import far_rows

PHENOLS = ["CCCCc1ccc(O)cc1", "CCCCCc1ccc(O)cc1", "CCCCCCc1ccc(O)cc1"]
STEROID = "CC12CCC3C(CCC4=CC(=O)CCC43C)C1CCC2O"


def test_relatives_in_other_folds_are_what_counts() -> None:
    """A row is far where its relatives share its fold, and near where one of them does not."""
    parents = [*PHENOLS, STEROID]
    assert far_rows(parents, np.array([0, 0, 0, 1])).tolist() == [True] * 4
    assert far_rows(parents, np.array([0, 1, 0, 1])).tolist() == [False, False, False, True]


def test_the_order_of_rows_does_not_matter() -> None:
    """The rule is of each row and the others' set."""
    parents, folds = [*PHENOLS, STEROID, "OCCO", "CCCCCCCO"], np.array([0, 1, 1, 0, 1, 0])
    far = far_rows(parents, folds)
    assert far_rows(parents[::-1], folds[::-1]).tolist() == far.tolist()[::-1]
