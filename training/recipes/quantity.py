"""The default recipe of a table whose target is a quantity; chosen on public tables."""

from dataclasses import replace

from training.data import Dataset
from training.evaluation.quantities import COVERAGE, QUANTILES
from training.networks.training_loop import Recipe
from training.recipes.official import ModelRecipe

#: Alpha dropout of the short and the long recipe. Without it the short one learns a noisy table less
#: well: RMSE of diabetes by .1 (two rounds), .02 and 0 (one) 55.4, 56.8, 57.9, by boosting 57.4. A
#: little of it helps the long one: Friedman's first function, 85 epochs, by .03 1.41, by 0 1.48, by
#: boosting 1.48; the second 136.0, 143.9, 136.8.
_SHORT_DROPOUT, _LONG_DROPOUT = 0.1, 0.03


def quantity_recipe(dataset: Dataset, recipe: ModelRecipe) -> ModelRecipe:
    """The recipe for a quantity, from that for classes of as many rows."""
    longer = tuple(_network(each, _LONG_DROPOUT) for each in recipe.contenders[1:2])
    # Of many rows the one recipe takes as many steps as the long one of few.
    first = _network(recipe.networks[0], _SHORT_DROPOUT if longer else _LONG_DROPOUT)
    target = dataset.targets[0]
    return replace(
        recipe,
        task="regression on table rows",
        description=f"Value of {target}, with an interval that holds {COVERAGE:.0%} of new rows, learned"
        " from a table.",
        networks=(first,),
        contenders=(first, *longer) if longer else (),
        metric="rmse",
        limits=f"{recipe.limits} Beyond the range of the values learned it cannot answer.",
    )


def _network(network: Recipe, dropout: float) -> Recipe:
    return replace(network, quantiles=QUANTILES, dropout=dropout)
