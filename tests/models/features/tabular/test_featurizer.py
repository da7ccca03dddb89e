"""Plain tables: what a schema takes, what it refuses, and in which words."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import Accepted, Featurizer, FeaturizerError, Rejected, columns_of, create
from models.features.tabular.pulsar import NAMES

AGE = {"name": "age", "kind": "number", "optional": True}
HEIGHT = {"name": "height", "kind": "number", "optional": False}
JOB = {"name": "job", "kind": "category", "optional": False, "other": False, "values": ["clerk", "7"]}
TOWN = {"name": "town", "kind": "category", "optional": True, "other": True, "values": ["Bonn"]}
MIXED = {"columns": [AGE, JOB, HEIGHT, TOWN]}
NUMBERS = {"columns": [AGE, HEIGHT]}
GOOD = [40, "clerk", 1.75, "Bonn"]
#: age, age (missing), height; job=clerk, job=7; town=Bonn, town (missing), town (other)
GOOD_ROW = [40, 0, 1.75, 1, 0, 1, 0, 0]

value = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(["clerk", "7", "Bonn", " Bonn ", "NA", "", "elsewhere"])
    | st.lists(st.integers(), max_size=2)
)
names = st.sampled_from(["age", "job", "height", "town", "other"])
anything = value | st.lists(value, max_size=5) | st.dictionaries(names, value, max_size=5)
sound = st.tuples(
    st.none() | st.floats(width=32, allow_infinity=False),
    st.sampled_from(["clerk", "7", 7, 7.0, " clerk"]),
    st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000),
    st.sampled_from(["Bonn", "NA", "", None, "Ulm", True]),
)


@pytest.fixture
def mixed():
    """A featurizer of numbers and categories."""
    return create("tables-1", MIXED)


def message(featurizer, record, good=GOOD, row=GOOD_ROW):
    """The message for a record between two good ones, whose rows must not change."""
    answer = featurizer.featurize([good, record, good])
    first, outcome, last = answer.outcomes
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    assert isinstance(outcome, Rejected)
    np.testing.assert_array_equal(answer.rows, np.array([row, row], dtype=np.float32))
    return outcome.message


def test_every_feature_tells_the_column_that_it_is_of(mixed):
    """By the name that the table has, in the features' order; dates and knots as well."""
    assert columns_of(mixed) == ("age", "age", "height", "job", "job", "town", "town", "town")
    part = {"part": "month", "centre": 6, "scale": 4, "knots": [1, 6, 12], "low": 1, "high": 12}
    born = {"name": "born", "kind": "date", "optional": True, "form": "%d.%m.%Y", "parts": [part]}
    kind = {"name": "kind", "kind": "category", "optional": False, "other": False, "values": ["a", "b"]}
    written = create("tables-3", {"missing": [], "columns": [kind, born]})
    assert columns_of(written) == (*["born"] * (len(written.names) - 2), "kind", "kind")
    candidates = create("pulsar-1", {})
    assert columns_of(candidates) == candidates.names


def test_features_are_numbers_and_one_per_category(mixed):
    """Names, fields and rows agree; a mapping in any order is the same record."""
    assert mixed.fields == ("age", "job", "height", "town")
    assert mixed.texts == {"job", "town"}
    assert mixed.names == (
        "age", "age (missing)", "height", "job=clerk", "job=7",
        "town=Bonn", "town (missing)", "town (other)",
    )  # fmt: skip
    by_name = dict(reversed(list(zip(mixed.fields, GOOD, strict=True))))
    rows = mixed.featurize([GOOD, by_name]).rows
    np.testing.assert_array_equal(rows, np.array([GOOD_ROW, GOOD_ROW], np.float32))
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ([None, "7", 2, None], [math.nan, 1, 2, 0, 1, 0, 1, 0]),
        ([math.nan, 7, 2, "NA"], [math.nan, 1, 2, 0, 1, 0, 1, 0]),
        ([1, 7.0, 2, "Ulm"], [1, 0, 2, 0, 1, 0, 0, 1]),
        ([1, " clerk ", 2, True], [1, 0, 2, 1, 0, 0, 0, 1]),
        ([np.float32(1), "clerk", np.int64(2), "Bonn"], [1, 0, 2, 1, 0, 1, 0, 0]),
    ],
)
def test_missing_other_and_numeric_categories(mixed, record, row):
    """Missing numbers are NaN, missing and rare categories have features of their own."""
    np.testing.assert_array_equal(mixed.featurize([record]).rows, np.array([row], np.float32))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([40], "4 columns expected, 1 given"),
        ("a", "a record is a list of 4 values or an object with their names, not a string"),
        ({"agee": 1}, "unknown column 'agee'; the names are age, job, height, town"),
        (
            {"age": 1, "job": "clerk", "height": 1},
            "column town is missing; give all of age, job, height, town",
        ),
        (["40", *GOOD[1:]], "column age (position 1) is a string; give a finite number or null"),
        ([math.inf, *GOOD[1:]], "column age (position 1) is inf; give a finite number or null"),
        ([40, "clerk", None, "Bonn"], "column height (position 3) is null; give a finite number"),
        ([40, "clerk", math.nan, "Bonn"], "column height (position 3) is nan; give a finite number"),
        (
            [40, "clerk", 1e39, "Bonn"],
            "column height (position 3) is beyond a 32-bit float, which ends at 3.4e38",
        ),
        ([40, None, 1.75, "Bonn"], "column job (position 2) is missing; give one of clerk, 7"),
        ([40, " ", 1.75, "Bonn"], "column job (position 2) is missing; give one of clerk, 7"),
        (
            [40, "driver", 1.75, "Bonn"],
            "column job (position 2) is 'driver', which is not known; give one of clerk, 7",
        ),
        ([40, 1.5, 1.75, "Bonn"], "column job (position 2) is a number; give one of clerk, 7"),
        ([40, ["clerk"], 1.75, "Bonn"], "column job (position 2) is a list; give one of clerk, 7"),
        ([40, "clerk", 1.75, {}], "column town (position 4) is an object; give one of Bonn"),
    ],
)
def test_a_bad_record_is_refused_in_plain_words(mixed, record, words):
    """The message names the column and what it takes; the neighbours keep their rows."""
    assert message(mixed, record) == words


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1, None], "column height (position 2) is null; give a finite number"),
        ([1, 10**400], "column height (position 2) is beyond a 32-bit float, which ends at 3.4e38"),
        ([-1e39, 1], "column age (position 1) is beyond a 32-bit float, which ends at 3.4e38"),
        ([True, 1], "column age (position 1) is a boolean; give a finite number or null"),
        (7, "a record is a list of 2 numbers or an object with their names, not a number"),
    ],
)
def test_a_table_of_numbers_refuses_in_the_same_words(record, words):
    """The path without a loop says the same, and knows null from NaN."""
    assert message(create("tables-1", NUMBERS), record, [40, 1.5], [40, 0, 1.5]) == words


def test_an_array_may_hold_missing_values():
    """NaN is a missing value where the column may miss one, and refused where it may not."""
    block = np.array([[math.nan, 1.0], [1.0, math.nan], [math.inf, 1.0], [2.0, 3.0]])
    answer = create("tables-1", NUMBERS).featurize(block)
    np.testing.assert_array_equal(answer.rows, np.array([[math.nan, 1, 1], [2, 0, 3]], np.float32))
    assert [isinstance(outcome, Accepted) for outcome in answer.outcomes] == [True, False, False, True]


def test_knots_bend_a_number_where_they_are():
    """Between two knots a feature rises from 0 to 1; a missing value is missing in all of them."""
    knotted = {"columns": [{**AGE, "knots": [0, 10, 30]}, HEIGHT]}
    featurizer = create("tables-1", knotted)
    assert featurizer.names == ("age", "age (missing)", "≥ 0 of age", "≥ 10 of age", "height")
    records = [[-5, 1], [4, 1], [10, 1], [25, 1], [99, 1], [None, 1]]
    np.testing.assert_allclose(
        featurizer.featurize(records).rows[:, 2:4],
        [[0, 0], [0.4, 0], [1, 0], [1, 0.75], [1, 1], [math.nan] * 2],
    )
    mixed_up = create("tables-1", {"columns": [JOB, *knotted["columns"]]})
    rows = mixed_up.featurize([["7", *record] for record in records]).rows
    np.testing.assert_array_equal(rows[:, :5], featurizer.featurize(records).rows)


def test_a_number_is_told_from_its_centre():
    """Years a few apart stay a few apart; what float32 cannot hold is its largest number."""
    columns = [{**HEIGHT, "centre": 2010, "scale": 0.5}, {**AGE, "scale": 1e-10, "knots": [0, 1]}]
    featurizer = create("tables-1", {"columns": columns})
    rows = featurizer.featurize([[2011, 1e-10], [2009.5, 3e38], [2010, None]]).rows
    np.testing.assert_allclose(rows[:, 0], [2, -1, 0])
    np.testing.assert_allclose(rows[:, 1], [1, np.finfo(np.float32).max, math.nan])


def test_messages_stay_short():
    """Neither a megabyte of a category nor two thousand columns come back in an error."""
    wide = {"columns": [{"name": f"x{n}", "kind": "number", "optional": False} for n in range(2048)]}
    assert len(message(create("tables-1", MIXED), [1, "x" * 1_000_000, 1, None])) < 200
    assert len(create("tables-1", wide).featurize([{"y": 1}]).outcomes[0].message) < 300


def test_one_column_is_enough():
    """A table of a single column is read by list and by name."""
    featurizer = create("tables-1", {"columns": [HEIGHT]})
    np.testing.assert_array_equal(featurizer.featurize([[1.5], {"height": 2}]).rows, [[1.5], [2]])


def test_nothing_gives_no_rows(mixed):
    """An empty request is an empty block of the right width."""
    assert mixed.featurize([]).rows.shape == (0, 8)


@given(st.lists(sound, max_size=6))
def test_categories_are_one_hot_and_numbers_themselves(records):
    """Every sound record has one 1 per category column and its numbers as float32."""
    answer = create("tables-1", MIXED).featurize(records)
    assert all(isinstance(outcome, Accepted) for outcome in answer.outcomes)
    np.testing.assert_array_equal(answer.rows[:, 3:5].sum(axis=1), np.ones(len(records)))
    np.testing.assert_array_equal(answer.rows[:, 5:].sum(axis=1), np.ones(len(records)))
    numbers = [[math.nan if age is None else age, height] for age, _, height, _ in records]
    np.testing.assert_array_equal(answer.rows[:, 1], np.isnan(answer.rows[:, 0]))
    expected = np.array(numbers, np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(answer.rows[:, [0, 2]], expected)


@given(st.sampled_from([MIXED, NUMBERS]), st.lists(anything | sound, max_size=6))
def test_no_record_raises_or_touches_its_neighbours(parameters, records):
    """Each record's outcome and row are those it gets alone; no row holds an infinity."""
    featurizer = create("tables-1", parameters)
    answer = featurizer.featurize(records)
    alone = [featurizer.featurize([record]) for record in records]
    assert answer.outcomes == [single.outcomes[0] for single in alone]
    assert not np.isinf(answer.rows).any()
    empty = np.empty((0, len(featurizer.names)))
    np.testing.assert_array_equal(answer.rows, np.concatenate([empty, *(one.rows for one in alone)]))


@given(st.lists(st.lists(st.floats() | st.integers(), min_size=8, max_size=8), max_size=5))
def test_a_table_of_numbers_reads_as_candidates_are_read(records):
    """The same schema by another name takes and refuses the same rows."""
    columns = [{"name": name, "kind": "number", "optional": False} for name in NAMES]
    table = create("tables-1", {"columns": columns}).featurize(records)
    candidates = create("pulsar-1", {}).featurize(records)
    np.testing.assert_array_equal(table.rows, candidates.rows)
    assert [o.message.split(" is ")[1] for o in table.outcomes if isinstance(o, Rejected)] == [
        o.message.split(" is ")[1] for o in candidates.outcomes if isinstance(o, Rejected)
    ]


def test_the_parameters_build_the_same_featurizer_again(mixed):
    """What a manifest keeps is enough."""
    again = create(mixed.identifier, mixed.parameters)
    assert again.names == mixed.names
    assert again.parameters == MIXED


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "takes the parameter columns"),
        ({"columns": []}, "takes the parameter columns"),
        ({"columns": [AGE], "features": 1}, "takes the parameter columns"),
        ({"columns": [AGE] * 5000}, "at most 4,096 columns"),
        ({"columns": [AGE, AGE]}, "two columns have the same name"),
        ({"columns": ["age"]}, "column 1 is a string, not an object"),
        ({"columns": [{**AGE, "name": ""}]}, "column 1: name must be"),
        ({"columns": [{**AGE, "name": " age"}]}, "column 1: name must be"),
        ({"columns": [{**AGE, "optional": 1}]}, "column 1: name must be"),
        ({"columns": [{**AGE, "kind": "date"}]}, "column 1: it must have"),
        ({"columns": [{**AGE, "values": []}]}, "column 1: it must have"),
        ({"columns": [{**AGE, "knots": [1]}]}, "column 1: knots must be"),
        ({"columns": [{**AGE, "scale": 0}]}, "column 1: its scale must be above 0"),
        ({"columns": [{**AGE, "centre": math.inf}]}, "column 1: its knots, centre and scale must"),
        ({"columns": [{**AGE, "knots": [1, 1]}]}, "column 1: knots must be"),
        ({"columns": [{**AGE, "knots": [1, math.nan]}]}, "column 1: its knots, centre and scale must"),
        ({"columns": [{**AGE, "knots": [1, "2"]}]}, "column 1: its knots, centre and scale must"),
        ({"columns": [{**JOB, "values": []}]}, "column 1: values must be"),
        ({"columns": [{**JOB, "other": None}]}, "column 1: values must be"),
        ({"columns": [AGE, {**JOB, "values": ["a", "a"]}]}, "column 2: its values must be different"),
        ({"columns": [{**JOB, "values": ["NA"]}]}, "column 1: its values must be different"),
        (
            {
                "columns": [
                    {**JOB, "name": str(n), "values": list(map(str, range(4000)))} for n in range(20)
                ]
            },
            "at most 65,536 features",
        ),
    ],
)
def test_what_is_no_schema_is_refused(parameters, words):
    """A manifest with a schema that this build cannot honour says which column is wrong."""
    with pytest.raises(FeaturizerError, match=words):
        create("tables-1", parameters)


@given(st.lists(sound, min_size=1, max_size=5))
def test_numbers_of_a_32_bit_float_have_the_features_they_had(records: list[tuple[object, ...]]) -> None:
    """``tables-2`` differs from ``tables-1`` for other numbers alone."""
    centred = [AGE | {"centre": 3.0, "scale": 2.0, "knots": [0.0, 1.0, 5.0]}, JOB, HEIGHT, TOWN]
    older, newer = (create(name, {"columns": centred}) for name in ("tables-1", "tables-2"))
    given_records = [list(record) for record in records]
    a, b = older.featurize(given_records), newer.featurize(given_records)
    assert [type(outcome) for outcome in a.outcomes] == [type(outcome) for outcome in b.outcomes]
    np.testing.assert_array_equal(a.rows, b.rows)


@pytest.mark.parametrize("other", [[], [JOB]])
def test_times_keep_their_differences(other: list[dict[str, object]]) -> None:
    """MJD and milliseconds are centred first; by list, by name, as an array and among faults."""
    mjd = {"name": "t", "kind": "number", "optional": False, "centre": 60000.001, "scale": 0.001}
    ms = mjd | {"name": "u", "centre": 1.7e12, "scale": 10.0, "knots": [1.7e12, 1.7e12 + 20]}
    featurizer = create("tables-2", {"columns": [mjd, ms, *other]})
    rest = ["clerk"] * len(other)
    values = [[60000.0005, 1_700_000_000_005], [60000.0015, 1_700_000_000_010]]
    lists = [[*row, *rest] for row in values]
    expected = np.array([[-0.5, 0.5, 0.25], [0.5, 1.0, 0.5]])
    fields = featurizer.fields
    for records in (
        lists,
        [dict(zip(fields, row, strict=True)) for row in lists],
        [lists[0], ["no number"] * len(fields), lists[1]],
        np.array(values) if not other else lists,
    ):
        rows = featurizer.featurize(records).rows
        assert rows[:, :3] == pytest.approx(expected, abs=1e-3)
        assert rows.dtype == np.float32


@pytest.mark.parametrize("identifier", ["pulsar-1", "pulsar-2", "tables-1", "tables-2", "tables-3"])
def test_a_featurizer_has_all_that_the_interface_names(identifier: str) -> None:
    """The service reads each of these of every model; the type checker cannot see them all."""
    parameters = {"columns": [HEIGHT]} if identifier.startswith("tables") else {}
    featurizer = create(identifier, parameters)
    assert [name for name in Featurizer.__annotations__ if not hasattr(featurizer, name)] == []
    assert len(featurizer.readers) == len(featurizer.fields)
