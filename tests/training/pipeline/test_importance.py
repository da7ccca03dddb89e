"""Permutation importance tells columns that matter from those that do not."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from training.data import Dataset
from training.data.tables.arrays import Answers, dataset_of_arrays
from training.pipeline.importance import importance
from training.pipeline.run import Fitted, fit
from training.recipes.overrides import override
from training.recipes.table import table_recipe

SMALL = {"units": 16, "layers": 2, "epochs": 40, "learning_rate": 0.01, "batch_size": 64}


def dataset(kind: str) -> Dataset:
    """Rows of which one column tells most, one less and one nothing; ``town`` tells as ``much`` does."""
    rng = np.random.default_rng(0)
    much, less, nothing = rng.normal(size=(3, 400))
    town = np.where(rng.random(400) < 0.5, "Kiel", "Ulm")
    signal = 2 * much + less + (town == "Ulm")
    rows = np.array(list(zip(nothing, less, town, much, strict=True)), dtype=object)
    names = ("nothing", "less", "town", "much")
    if kind == "quantity":
        answers = Answers.of_values(1e5 + 30 * signal, "y")
    elif kind == "classes":
        answers = Answers.of_classes(np.digitize(signal, [-1, 1.5]), ("low", "middle", "high"))
    else:
        answers = Answers.of_classes((signal > 0.5).astype(int), ("no", "yes"))
    return dataset_of_arrays(rows, answers, names, ())


def fitted(data: Dataset) -> Fitted:
    """A small ensemble."""
    recipe = override(table_recipe(data), SMALL, "")
    return fit(data, recipe, 1, 0, lambda _: None, lambda *_: None, processes=1)


@pytest.mark.parametrize(
    ("kind", "figure"), [("labels", "mean AUC"), ("classes", "accuracy"), ("quantity", "R²")]
)
def test_columns_are_ranked_by_what_they_tell(kind: str, figure: str) -> None:
    """The column that tells most loses most; what tells nothing loses nothing beyond its spread."""
    made = fitted(dataset(kind))
    lines = () if made.quantities is None else made.quantities.lines
    told: Any = importance(made.dataset, made.featurizer, made.ensemble, made.rows, lines)
    assert told["figure"] == figure
    losses = {name: (loss, spread) for name, loss, spread in told["columns"]}
    assert next(iter(losses)) == "much"
    assert losses["much"][0] > 0.1
    assert losses["less"][0] > 2 * losses["less"][1]
    assert abs(losses["nothing"][0]) < 3 * losses["nothing"][1] + 0.01
    assert all(one >= other for one, other in pairwise(loss for loss, _ in losses.values()))
    again = importance(made.dataset, made.featurizer, made.ensemble, made.rows, lines)
    assert again == told


def test_a_column_is_shuffled_with_all_its_features() -> None:
    """A number's pieces between knots and a category's one-hot features move together."""
    made = fitted(dataset("labels"))
    constant = made.rows.copy()
    features = [place for place, name in enumerate(made.featurizer.names) if "much" in name]
    assert len(features) > 2
    constant[:, features] = constant[0, features]
    told: Any = importance(made.dataset, made.featurizer, made.ensemble, constant)
    assert {name: loss for name, loss, _ in told["columns"]}["much"] == 0
    weighed = replace(made.dataset, weights=np.ones(400, np.float32))
    assert importance(weighed, made.featurizer, made.ensemble, constant) == told
