"""The benchmark of intervals, on a few rows and one refit."""

from dataclasses import replace

import pytest

from training.benchmarks.accuracy import refits
from training.recipes.table import table_recipe

pytestmark = pytest.mark.slow


def test_a_refit_is_judged_by_the_intervals_of_the_first(monkeypatch) -> None:
    """Shares of the new rows, which are a third; another seed and other rows stay mostly within."""

    def small(dataset):
        recipe = table_recipe(dataset)
        networks = tuple(replace(one, units=8, layers=2, epochs=4) for one in recipe.networks)
        return replace(recipe, networks=networks, contenders=())

    monkeypatch.setattr(refits, "_ROWS", 600)
    monkeypatch.setattr(refits, "table_recipe", small)
    found = refits.judged({"data": "noisy table", "refit": 1})
    assert found["rows"] == 200
    assert found["members"] == 10
    assert 0.4 < found["least_target"] <= found["coverage"] <= found["most_target"] <= 1
