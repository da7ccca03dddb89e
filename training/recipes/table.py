"""The default recipe of a user's own table, by its number of rows; chosen on public tables.

Of few rows four recipes train a round each, and the best of them, out-of-fold, trains the other round.
Noisy tables want a few epochs, rules and many classes want hundreds. Of the UCI collection, AUC or
accuracy out-of-fold by a few epochs, by many, and by boosting: statlog-german-credit .798, .744, .769;
contrac .551, –, .520; monks-1 .85, 1.00, .998; car .957, 1.00, .998; magic (5,000 rows) .9234, .9215,
.9269; statlog-image .978, .981, .989; letter (6,000 rows) .844, .918, .925. Rarer rows and smoother
tables want still less. AUC out-of-fold of two rounds by a few epochs, by half as many, by the columns
alone without the features between knots, and by logistic regression: ozone .890, .907, .905, .902; blood
.730, .733, .751, .736; pima .821, –, .834, .830; haberman-survival .694, .697, .716, .668; titanic
.764, .766, .748, .715; bank .906, .903, .867, .863.
Of RealMLP's other means (D. Holzmüller et al. 2024, arXiv 2407.04491), learned input scales, smoothed
labels and waves of the learning rate together made magic .0044 and statlog-german-credit .024 worse.
"""

from dataclasses import replace
from typing import Any

from models.features.tabular.numeric_encoding import BETWEEN
from training.data import Dataset
from training.networks.preprocessing import Block
from training.networks.training_loop import Recipe
from training.recipes.official import ModelRecipe
from training.recipes.quantity import quantity_recipe

#: By rows learned, up to a number: rows of a batch, and the learning rate for it.
_BATCHES = ((1_000, 64, 1.5e-3), (20_000, 128, 2e-3), (float("inf"), 256, 3e-3))
#: The short recipe's epochs, and its fewest steps; the long one's, and the most rows that it is tried
#: on: more rows give the short one as many steps, and it gets a few epochs more.
_SHORT_EPOCHS, _SHORT_STEPS = 20, 100
_LONG_EPOCHS, _LONG_STEPS, _LONG_ROWS = 35, 1_200, 8_000
_MANY_EPOCHS, _MOST_EPOCHS = 32, 18
#: With a smaller share of positive rows they are repeated, until they are this part of every epoch.
_RARE, _RARE_SHARE = 0.02, 0.1
#: Ten positives in 30,000 rows (normal, ten columns; AUC): logistic regression .9942, 60 such steps
#: .9928, 350 steps .9769, with the features between knots far less, rows as they come .42.
_CAUTIOUS_STEPS, _CAUTIOUS_SHARE = 60, 0.125
#: The same by fewer layers and more dropout, which can do little but add columns up. Ten positives in
#: 50,000 rows, apart along a line, twice (AUC of two networks): logistic regression .967, .997; cautious
#: .957, .986; smooth .961, .995. Where they lie on both sides: .12, .44; .76, .85; .20, .44.
_SMOOTH_LAYERS, _SMOOTH_DROPOUT = 2, 0.5
#: With fewer rows of the rarer class the short recipe is not tried, and AUC chooses: log-loss, which a
#: few rows decide, takes those that rank worse (ten positives in 100,000 rows: .965 by the short one).
_HANDFUL = 30

#: The largest input of a category among many, see ``_blocks_of_many``.
_LIMIT_OF_MANY = 0.4


def table_recipe(dataset: Dataset) -> ModelRecipe:
    """The default recipe for a table of this size; raises nothing."""
    rows = len(dataset) * 4 // 5
    batch, rate = next((batch, rate) for most, batch, rate in _BATCHES if rows < most)
    short = Recipe(
        units=128,
        layers=3,
        dropout=0.1,
        learning_rate=rate,
        weight_decay=1e-2,
        batch_size=batch,
        epochs=max(_SHORT_EPOCHS, _SHORT_STEPS * batch // rows),
        rare_share=_RARE_SHARE if _is_rare(dataset) else 0.0,
    )
    contenders: tuple[Recipe, ...] = ()
    is_handful = _is_rare(dataset) and _positives(dataset) < _HANDFUL
    if _is_rare(dataset):
        cautious = _cautious(short, rows)
        smooth = replace(cautious, layers=_SMOOTH_LAYERS, dropout=_SMOOTH_DROPOUT)
        contenders = (cautious, smooth) if is_handful else (short, cautious, smooth)
    elif rows < _LONG_ROWS:
        longer = max(_LONG_EPOCHS, _LONG_STEPS * batch // rows)
        contenders = (
            short,
            replace(short, epochs=longer, learning_rate=rate * 4 / 3),
            replace(short, epochs=short.epochs // 2),
            *([replace(short, without=(BETWEEN,))] if _has_knots(dataset) else []),
        )
    else:
        short = replace(short, epochs=_MANY_EPOCHS if rows < _BATCHES[1][0] else _MOST_EPOCHS)
    kind = f"{len(dataset.targets)} classes" if dataset.exclusive else "two classes"
    named = ", ".join(dataset.targets[:8]) + (" and others" if len(dataset.targets) > 8 else "")
    recipe = ModelRecipe(
        task=f"classification of table rows, {kind}",
        description=f"Probability of {named}, learned from a table's column {dataset.table['target']}.",
        networks=(short,),
        blocks=(
            Block(prefix=BETWEEN, power=1.0, limit=4.0),
            *_blocks_of_many(dataset),
            Block(prefix="", power="fit", limit=4.0),
        ),
        rounds=2,
        served=2,
        threshold_rule="f1",
        selection="The default recipe for tables of this size; of up to four, which differ in epochs and"
        " features, the best out-of-fold was taken by a round of each, and nothing else was tuned here."
        " `python -m training search` tunes one on the folds.",
        limits="Trained on one table, as it was collected: rows of another origin, time or population"
        " may be answered worse than the figures above say; watch the activation health. What the"
        " columns mean, and whether such a prediction should be acted on, only its owner can judge.",
        contenders=contenders,
        metric="auc" if is_handful else "log_loss",
    )
    return recipe if dataset.standard is None else quantity_recipe(dataset, recipe)


def _cautious(recipe: Recipe, rows: int) -> Recipe:
    """For a handful of positive rows, which any network of many inputs and steps learns by heart."""
    batch = max(recipe.batch_size, rows // _CAUTIOUS_STEPS)
    return replace(
        recipe,
        without=(BETWEEN,),
        batch_size=batch,
        epochs=max(1, _CAUTIOUS_STEPS * batch // rows),
        learning_rate=1e-3,
        rare_share=_CAUTIOUS_SHARE,
    )


def _has_knots(dataset: Dataset) -> bool:
    """Whether there are features between knots."""
    columns: Any = dataset.parameters.get("columns", [])
    return any(column.get("knots") or column.get("parts") for column in columns)


def _is_rare(dataset: Dataset) -> bool:
    """Whether a single target has few positive, or few negative, rows for their number."""
    single = dataset.standard is None and len(dataset.targets) == 1
    return single and _positives(dataset) < _RARE * len(dataset)


def _positives(dataset: Dataset) -> int:
    """The number of rows of the rarer class of the first target."""
    positive = int((dataset.labels[:, 0] == 1).sum())
    return min(positive, len(dataset) - positive)


def _blocks_of_many(dataset: Dataset) -> tuple[Block, ...]:
    """A block for each column of many categories, whose inputs are small, so that few rows tell little.

    Of 1,469 categories in 12,000 rows, one network without the first fold: AUC .687 with a limit of 4,
    .721 with 1, .746 with this; logistic regression on as many columns .752.
    """
    columns: Any = dataset.parameters.get("columns", [])
    return tuple(
        Block(prefix=f"{column['name']}=", power=1.0, limit=_LIMIT_OF_MANY)
        for column in columns
        if column.get("buckets")
    )
