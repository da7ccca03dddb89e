"""The default recipe of a table whose target is a quantity; chosen on public tables."""

from dataclasses import replace

from training.data import Dataset
from training.evaluation.quantities import COVERAGE, QUANTILES
from training.networks.training_loop import Recipe
from training.recipes.official import ModelRecipe


def quantity_recipe(dataset: Dataset, recipe: ModelRecipe) -> ModelRecipe:
    """The recipe for a quantity, from that for classes of as many rows."""
    short = _network(recipe.networks[0])
    target = dataset.targets[0]
    return replace(
        recipe,
        task="regression on table rows",
        description=f"Value of {target}, with an interval that holds {COVERAGE:.0%} of new rows, learned"
        " from a table.",
        networks=(short,),
        contenders=tuple(map(_network, recipe.contenders)),
        metric="rmse",
        limits=f"{recipe.limits} Beyond the range of the values learned it cannot answer.",
    )


def _network(network: Recipe) -> Recipe:
    return replace(network, quantiles=QUANTILES)
