"""Folds depend on the row and on nothing else."""

import hashlib
import json
from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.data.folds import (
    DEALT_RULE,
    FOLDS,
    KEY_RULE,
    NAMED_RULE,
    fold_of,
    folds_by_rule,
    folds_of_molecules,
    folds_of_rows,
    folds_of_table,
    scaffold,
)
from training.errors import DataError

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


cells = st.none() | st.floats(allow_nan=False) | st.text(max_size=3)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6)
)
RULES = (NAMED_RULE, DEALT_RULE)


def repeating(copies: int, distinct: int = 80) -> tuple[list[list[object]], np.ndarray]:
    """Rows of three columns, each several times, and labels that differ among equal rows."""
    rng = np.random.default_rng(distinct)
    rows = [[float(number), f"k{number % 7}", None] for number in range(distinct)] * copies
    return rows, (rng.random((len(rows), 1)) < 0.4).astype(np.float32)


@pytest.mark.parametrize("rule", RULES)
@given(records=tables, random=st.randoms(use_true_random=False))
def test_a_tables_folds_ignore_the_order_of_columns_and_rows(
    rule: str, records: list[list[object]], random: Random
) -> None:
    """Shuffled columns give every row its fold; shuffled rows give equal rows the same folds in all."""
    names = [f"column {place}" for place in range(len(records[0]))]
    labels = np.zeros((len(records), 1), np.float32)
    folds = folds_by_rule(rule, names, records, labels)
    order = random.sample(range(len(names)), len(names))
    shuffled = [[record[place] for place in order] for record in records]
    other = folds_by_rule(rule, [names[place] for place in order], shuffled, labels)
    np.testing.assert_array_equal(other, folds)
    rows = random.sample(range(len(records)), len(records))
    again = folds_by_rule(rule, names, [records[row] for row in rows], labels)

    def by_row(places: list[int], found: np.ndarray) -> dict[str, list[int]]:
        groups = defaultdict(list)
        for place, fold in zip(places, found.tolist(), strict=True):
            groups[json.dumps([v + 0.0 if isinstance(v, float) else v for v in records[place]])].append(
                fold
            )
        return {key: sorted(group) for key, group in groups.items()}

    assert by_row(rows, again) == by_row(list(range(len(records))), folds)


@given(value=cells, name=st.text(max_size=5))
def test_a_tables_key_names_its_values(value: object, name: str) -> None:
    """The key is names and values as JSON, so that equal values of other columns are another row."""
    plain = value + 0.0 if isinstance(value, float) else value
    key = json.dumps(
        [sorted([name, "other column"]), [plain, 1.0] if name < "other column" else [1.0, plain]]
    )
    found = folds_by_rule(NAMED_RULE, ["other column", name], [[1.0, value]], np.zeros((1, 1)))
    assert found.tolist() == [fold_of(key.encode())]


@pytest.mark.parametrize("copies", [1, 2, 20])
def test_equal_rows_are_never_on_both_sides(copies: int) -> None:
    """Whatever their labels, while many rows are distinct."""
    rows, labels = repeating(copies)
    folds, rule = folds_of_table(["a", "b", "c"], rows, labels)
    assert rule == NAMED_RULE
    assert len({(tuple(row), fold) for row, fold in zip(rows, folds.tolist(), strict=True)}) == 80


def test_few_distinct_rows_are_dealt_and_stay_where_they_are() -> None:
    """Folds are equal in size and classes; more rows of the kind leave those before them in place."""
    rows, labels = repeating(60, distinct=12)
    folds, rule = folds_of_table(["a", "b", "c"], rows, labels)
    assert rule == DEALT_RULE
    for count in (np.bincount(folds), np.bincount(folds[labels[:, 0] == 1])):
        assert count.max() - count.min() <= 12
    earlier, _ = folds_of_table(["a", "b", "c"], rows[:400], labels[:400])
    np.testing.assert_array_equal(earlier, folds[:400])


def test_one_heavy_class_of_equal_rows_is_dealt() -> None:
    """All positives are the same row among many distinct ones: one fold could not be learned."""
    rows, labels = repeating(2)
    labels[:] = 0
    rows += [[-1.0, "k", None]] * 40
    labels = np.concatenate([labels, np.ones((40, 1), np.float32)])
    folds, rule = folds_of_table(["a", "b", "c"], rows, labels)
    assert rule == DEALT_RULE
    assert np.bincount(folds[labels[:, 0] == 1]).tolist() == [8] * FOLDS


def test_older_tables_keep_their_rule_and_unknown_ones_are_named() -> None:
    """Their key is the values in the order of the columns; -0 is 0 in every rule."""
    record = ["Kiel", 1.5, None]
    expected = fold_of(json.dumps(record).encode())
    assert folds_by_rule(KEY_RULE, ["b", "a", "c"], [record], np.zeros((1, 1))).tolist() == [expected]
    for rule in (KEY_RULE, *RULES):
        folds = [folds_by_rule(rule, ["a"], [[zero]], np.zeros((1, 1))) for zero in (0.0, -0.0)]
        assert folds[0] == folds[1]
    with pytest.raises(DataError, match="not known here: 'by the moon'"):
        folds_by_rule("by the moon", ["a"], [[0.0]], np.zeros((1, 1)))
