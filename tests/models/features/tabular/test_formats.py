"""Which texts make a column one of truth values, and what is said of a missing one."""

import pytest

from models.features.tabular.categories import Category
from models.features.tabular.columns import CategoryColumn, bucket_name
from models.features.tabular.formats import TextFormat, are_truths


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"True", "FALSE"}, True),
        ({"yes"}, True),  # the other value may not have come yet
        ({"y", "N", "1"}, True),
        # One column that several programs wrote: pandas, R, a spreadsheet and a person.
        ({"True", "False", "TRUE", "FALSE", "T", "F", "yes", "no", "1", "0"}, True),
        ({"on", "off", "yes"}, True),
        ({"t", "n"}, False),  # no pair is whole: letters of a code
        ({"y", "t"}, False),
        ({"yes", "no", "maybe"}, False),
        ({"0", "1"}, False),  # numbers
        (set(), False),
    ],
)
def test_truth_values_in_any_spelling_are_one_column(words: set[str], expected: bool) -> None:
    """Spellings may be mixed where at least one pair is whole; anything else is a category."""
    assert are_truths(words) is expected


def test_a_missing_value_among_buckets_names_no_bucket() -> None:
    """The names of buckets are the featurizer's own, and nobody can send one."""
    values = ["x", *(bucket_name(number) for number in range(3))]
    category = Category("city", values, optional=False, other=False)
    column = CategoryColumn("city", category, TextFormat(), buckets=3)
    assert column.read(None) == "missing; give any text"
    assert column.read("anywhere") in range(1, 4)
