"""The default recipe of a user's own table, by its number of rows; chosen on four public sets.

Out-of-fold, one network per fold, one seed, with knots (AUC of bank with categories and missing values
added, of statlog-german-credit, of chess-krvkp): 3 layers of 64, 12 epochs .884/.782/.993; 4
layers, 25 epochs .888/.790/.998; the same at half the rate with input dropout .884/.784/.993; 4 layers
of 128 at half the rate .887/.791/.997. Without knots no recipe passed .860 on the first.
"""

from models.features.tabular.numeric_encoding import BETWEEN
from training.data import Dataset
from training.networks.preprocessing import Block
from training.networks.training_loop import Recipe
from training.recipes.official import ModelRecipe

#: About this number of optimizer steps was enough for each of the sets tried. With few rows as many
#: steps overfit, hence the limits to the epochs.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 1500, 12, 30


def table_recipe(dataset: Dataset) -> ModelRecipe:
    """The default recipe for a table of this size; raises nothing."""
    rows = len(dataset) * 4 // 5
    batch = 64 if rows < 20_000 else 256
    epochs = min(max(_STEPS * batch // rows, _FEWEST_EPOCHS), _MOST_EPOCHS)
    kind = f"{len(dataset.targets)} classes" if dataset.exclusive else "two classes"
    named = ", ".join(dataset.targets[:8]) + (" and others" if len(dataset.targets) > 8 else "")
    return ModelRecipe(
        task=f"classification of table rows, {kind}",
        description=f"Probability of {named}, learned from a table's column {dataset.table['target']}.",
        networks=(
            Recipe(
                units=64,
                layers=4,
                dropout=0.1,
                learning_rate=1e-3,
                weight_decay=1e-2,
                batch_size=batch,
                epochs=epochs,
            ),
        ),
        blocks=(Block(prefix=BETWEEN, power=1.0, limit=4.0), Block(prefix="", power="fit", limit=4.0)),
        rounds=2,
        served=2,
        threshold_rule="f1",
        selection="The default recipe for tables of this size; nothing was tuned on this one."
        " `python -m training search` tunes one on the folds.",
        limits="Trained on one table, as it was collected: rows of another origin, time or population"
        " may be answered worse than the figures above say; watch the activation health. What the"
        " columns mean, and whether such a prediction should be acted on, only its owner can judge.",
    )
