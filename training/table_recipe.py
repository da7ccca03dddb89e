"""The recipe of a table that nobody prepared: by the number of its rows, chosen on public sets.

The figures behind it are those of ``python -m training benchmark tables``.
"""

from models.features.numbers import BETWEEN
from training.data import Dataset
from training.recipes import ModelRecipe
from training.squash import Block
from training.train import Recipe

#: About so many steps of the optimizer are enough for any of the sets tried.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 6000, 12, 60


def table_recipe(dataset: Dataset) -> ModelRecipe:
    """The default recipe for a table of this size; raises nothing."""
    rows = len(dataset) * 4 // 5
    batch = 64 if rows < 20_000 else 256
    epochs = min(max(_STEPS * batch // rows, _FEWEST_EPOCHS), _MOST_EPOCHS)
    kind = f"{len(dataset.targets)} classes" if dataset.exclusive else "two classes"
    target = dataset.table["target"]
    return ModelRecipe(
        task=f"classification of table rows, {kind}",
        description=f"Probability of {', '.join(dataset.targets[:8])}"
        f"{' and others' if len(dataset.targets) > 8 else ''}, learned from the column {target} of a"
        f" table with {len(dataset.parameters['columns'])} other columns."  # type: ignore[arg-type]
        if dataset.exclusive
        else f"Probability of {dataset.targets[0]}, learned from the column {target} of a table.",
        network=Recipe(
            units=128,
            layers=4,
            dropout=0.05,
            learning_rate=1e-3,
            weight_decay=1e-2,
            batch_size=batch,
            epochs=epochs,
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
