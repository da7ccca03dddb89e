"""The default recipe of own tables, by their size and the share of their rarer class."""

from dataclasses import replace

import numpy as np
import pytest

from models.features.tabular.numeric_encoding import BETWEEN
from training.data import Dataset
from training.data.dataset import Standard
from training.errors import TrainingError
from training.recipes.overrides import override, with_metric
from training.recipes.table import table_recipe


def dataset(rows: int, positive: int) -> Dataset:
    """A table of so many rows, of which so many are positive."""
    labels = (np.arange(rows) < positive).astype(np.float32)[:, None]
    return Dataset(
        name="t", featurizer="tables-3", records=range(rows), labels=labels, targets=("y",),
        folds=np.zeros(rows, np.int8), sources={}, summary={}, table={"target": "y"},
    )  # fmt: skip


@pytest.mark.parametrize("rows", [100, 556, 1728, 5000, 9000])
def test_small_tables_try_few_epochs_and_many(rows: int) -> None:
    """The long recipe takes over a thousand steps, the short one at least twenty epochs.

    Beside them stand half as many epochs, and the columns' values alone.
    """
    table = dataset(rows, rows // 3)
    knotted = replace(table, parameters={"columns": [{"name": "x", "knots": [0, 1, 2]}]})
    short, long, half, plain = table_recipe(knotted).contenders
    assert table_recipe(table).contenders == (short, long, half)
    assert short.epochs >= 20
    assert long.epochs >= 35
    assert long.epochs > short.epochs
    steps = long.epochs * (rows * 4 // 5) / long.batch_size
    assert 1_100 <= steps <= 3_000
    assert half == replace(short, epochs=short.epochs // 2)
    assert plain == replace(short, without=(BETWEEN,))


@pytest.mark.parametrize("rows", [12_000, 20_000, 200_000])
def test_large_tables_have_one_recipe(rows: int) -> None:
    """Its steps are many already, and a second one would cost too much."""
    recipe = table_recipe(dataset(rows, rows // 3))
    assert recipe.contenders == ()
    assert recipe.networks[0].epochs * rows * 4 // 5 / recipe.networks[0].batch_size > 2_000


def test_rare_positives_are_repeated_and_cautious_recipes_are_tried() -> None:
    """Ten in 100,000: sixty steps or so, on the columns' values alone, and once almost additive."""
    rare, handful = (table_recipe(dataset(100_000, positives)) for positives in (30, 29))
    short, cautious, smooth = rare.contenders
    assert short.rare_share > 0
    assert handful.contenders == (cautious, smooth)
    assert (rare.metric, handful.metric) == ("log_loss", "auc")
    assert cautious.without == (BETWEEN,)
    assert cautious.epochs * 80_000 / cautious.batch_size == pytest.approx(60, rel=0.1)
    assert smooth == replace(cautious, layers=2, dropout=0.5)


def test_a_quantity_is_learned_by_means_and_quantiles() -> None:
    """Short and long training differ in dropout, and metrics are those of quantities."""
    few = dataset(600, 300)
    quantity = replace(few, standard=Standard(0.0, 1.0), labels=np.linspace(-1, 1, 600)[:, None])
    recipe = table_recipe(quantity)
    assert (recipe.task, recipe.metric) == ("regression on table rows", "rmse")
    short, longer = recipe.contenders
    assert short.quantiles == longer.quantiles == (0.05, 0.95)
    assert short.epochs < longer.epochs
    assert short.dropout > longer.dropout
    assert with_metric(recipe, "pinball").metric == "pinball"
    with pytest.raises(TrainingError, match=r"\(--task regression\), whose metric is one of rmse"):
        with_metric(recipe, "auc")
    with pytest.raises(TrainingError, match="no hyperparameter is named 'quantiles'"):
        override(recipe, {"quantiles": [0.5]}, "")
    chosen = override(recipe, {"units": 16}, "").networks[0]
    assert (chosen.units, chosen.quantiles) == (16, (0.05, 0.95))
    many = replace(dataset(12_000, 6_000), standard=Standard(0.0, 1.0))
    assert table_recipe(many).networks[0].dropout == longer.dropout  # it takes as many steps
    assert "quantiles" in str(recipe.configuration())
    assert "quantiles" not in str(table_recipe(few).configuration())
