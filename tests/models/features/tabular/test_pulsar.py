"""Pulsar candidates: what is read, what is refused, and in which words."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import Accepted, FeaturizerError, Rejected, create
from models.features.tabular.pulsar import NAMES, CandidateFeaturizer

GOOD = [99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.75]
number = st.floats(width=32, allow_nan=False, allow_infinity=False)
candidate = st.lists(number, min_size=8, max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=9) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)
    ),
    max_leaves=20,
)


@pytest.fixture
def featurizer():
    """The featurizer as a manifest would rebuild it."""
    return create("pulsar-1", {})


def message(featurizer, record):
    """The message for a record between two good ones, whose rows must not change."""
    answer = featurizer.featurize([GOOD, record, GOOD])
    first, outcome, last = answer.outcomes
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    assert isinstance(outcome, Rejected)
    np.testing.assert_array_equal(answer.rows, np.array([GOOD, GOOD], dtype=np.float32))
    return outcome.message


def test_positions_and_names_give_the_same_row(featurizer):
    """A list in file order and a mapping in any order are one candidate."""
    by_name = dict(reversed(list(zip(NAMES, GOOD, strict=True))))
    answer = featurizer.featurize([GOOD, by_name, tuple(GOOD)])
    np.testing.assert_array_equal(answer.rows, np.array([GOOD] * 3, dtype=np.float32))
    assert answer.rows.dtype == np.float32
    assert answer.rows.flags.c_contiguous
    assert [outcome.details for outcome in answer.outcomes] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1, 2], "8 features expected, 2 given"),
        ([], "8 features expected, 0 given"),
        ([*GOOD, 1.0], "8 features expected, 9 given"),
        (
            [*GOOD[:3], math.nan, *GOOD[4:]],
            "feature profile_kurtosis (position 4) is nan; give a finite number",
        ),
        ([math.inf, *GOOD[1:]], "feature profile_mean (position 1) is inf; give a finite number"),
        (
            [*GOOD[:7], "3,5"],
            "feature dm_kurtosis (position 8) is a string with a decimal comma; give a finite number,"
            " written with a point",
        ),
        ([*GOOD[:7], True], "feature dm_kurtosis (position 8) is a boolean; give a finite number"),
        ([*GOOD[:7], "1.5"], "feature dm_kurtosis (position 8) is a string; give a finite number"),
        ([*GOOD[:7], [1.0]], "feature dm_kurtosis (position 8) is a list; give a finite number"),
        ([*GOOD[:7], None], "feature dm_kurtosis (position 8) is null; give a finite number"),
        (
            [*GOOD[:7], 1e39],
            "feature dm_kurtosis (position 8) is beyond a 32-bit float, which ends at 3.4e38",
        ),
        (
            [*GOOD[:7], -(10**400)],
            "feature dm_kurtosis (position 8) is beyond a 32-bit float, which ends at 3.4e38",
        ),
        ("140.5", "a candidate is a list of 8 numbers or an object with their names, not a string"),
        (None, "a candidate is a list of 8 numbers or an object with their names, not null"),
        (3.5, "a candidate is a list of 8 numbers or an object with their names, not a number"),
        ({"width": 1.0}, f"unknown feature 'width'; the names are {', '.join(NAMES)}"),
        (
            dict(zip(NAMES[:7], GOOD[:7], strict=True)),
            f"feature dm_kurtosis is missing; give all of {', '.join(NAMES)}",
        ),
        (
            {**dict(zip(NAMES, GOOD, strict=True)), "dm_mean": "3"},
            "feature dm_mean (position 5) is a string; give a finite number",
        ),
    ],
)
def test_a_bad_candidate_is_refused_in_plain_words(featurizer, record, words):
    """The message names the feature and its position, and the neighbours keep their rows."""
    assert message(featurizer, record) == words


def test_an_unknown_name_is_repeated_only_in_part(featurizer):
    """A client's megabyte of a name does not come back in the error."""
    assert len(message(featurizer, {"x" * 1_000_000: 1.0})) < 250


def test_an_array_is_read_as_its_lists_are(featurizer):
    """The path without a loop refuses the same rows in the same words."""
    block = np.array([GOOD, [math.nan] * 8, GOOD[::-1], [1e300] * 8])
    fast, slow = featurizer.featurize(block), featurizer.featurize([list(row) for row in block.tolist()])
    assert fast.outcomes == slow.outcomes
    np.testing.assert_array_equal(fast.rows, slow.rows)


def test_an_array_of_the_wrong_width_is_refused_row_by_row(featurizer):
    """Every row of an (n, 5) array says what is expected."""
    answer = featurizer.featurize(np.zeros((3, 5)))
    assert answer.rows.shape == (0, 8)
    assert [outcome.message for outcome in answer.outcomes] == ["8 features expected, 5 given"] * 3


def test_nothing_gives_no_rows(featurizer):
    """An empty request is an empty block of the right width."""
    assert featurizer.featurize([]).rows.shape == (0, 8)


def test_other_kinds_of_real_number_are_read(featurizer):
    """Numpy scalars and fractions are numbers too."""
    row = [np.float32(1.5), Fraction(1, 2), np.int64(3), 4, 5.0, 6.0, 7.0, 8.0]
    np.testing.assert_array_equal(featurizer.featurize([row]).rows, [[1.5, 0.5, 3, 4, 5, 6, 7, 8]])


@given(st.lists(candidate, max_size=5))
def test_rows_are_the_numbers_given(rows):
    """Whatever float32 can hold arrives unchanged."""
    answer = CandidateFeaturizer().featurize(rows)
    np.testing.assert_array_equal(answer.rows, np.array(rows, dtype=np.float32).reshape(-1, 8))


@given(st.lists(anything | candidate, max_size=6))
def test_no_record_raises_or_touches_its_neighbours(records):
    """Each record's outcome is the one it gets alone, and every accepted one has a finite row."""
    featurizer = CandidateFeaturizer()
    answer = featurizer.featurize(records)
    alone = [featurizer.featurize([record]) for record in records]
    assert answer.outcomes == [single.outcomes[0] for single in alone]
    assert np.isfinite(answer.rows).all()
    np.testing.assert_array_equal(
        answer.rows, np.concatenate([np.empty((0, 8)), *(one.rows for one in alone)])
    )


def test_parameters_are_refused():
    """A manifest with parameters that this kind does not have is not honoured in silence."""
    with pytest.raises(FeaturizerError, match="takes no parameters, got scale"):
        create("pulsar-1", {"scale": 2})


def test_an_unknown_featurizer_is_named():
    """The error lists what this build knows."""
    with pytest.raises(
        FeaturizerError,
        match=r"unknown featurizer 'pulsar-9': this build knows molecules-1, molecules-2, ",
    ):
        create("pulsar-9", {})


@given(st.lists(candidate, min_size=2, max_size=5))
def test_a_candidate_alone_is_read_as_in_a_block(rows: list[list[float]]) -> None:
    """The same row or the same message, whatever its moments; among them sound ones."""
    featurizer = create("pulsar-2", {})
    sound = [[*row[:3], row[2] ** 2, *row[4:7], row[6] ** 2] for row in rows if max(map(abs, row)) < 1e9]
    block = np.array([*rows, *sound, GOOD])
    whole = featurizer.featurize(block)
    alone = [featurizer.featurize(block[at : at + 1]) for at in range(len(block))]
    assert [each.outcomes[0] for each in alone] == whole.outcomes
    np.testing.assert_array_equal(np.concatenate([each.rows for each in alone]), whole.rows)
