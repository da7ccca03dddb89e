"""The options that say how rows count, and which of them are left out together."""

from typing import Annotated, Literal

import typer

_GROUP = "Column of groups, such as patients or nights: rows of a group are left out together."
Group = Annotated[str | None, typer.Option(help=_GROUP)]
_TIME = "Column of times: each fold is a period, left out as a whole."
Time = Annotated[str | None, typer.Option(help=_TIME)]
Fold = Annotated[str | None, typer.Option(help="Column of folds of your own, 3 to 20.")]
_WEIGHT = "Column of weights of the rows in training; figures and calibration count rows alike."
Weight = Annotated[str | None, typer.Option(help=_WEIGHT)]
_METRIC = (
    "What chooses between short and long training of an own table: log_loss, auc, average_precision,"
    " accuracy or brier; of a quantity rmse, mae or pinball."
)
Metric = Annotated[str | None, typer.Option(help=_METRIC)]


_TASK = "What the target is: classes or a quantity; its values tell if left out."
Task = Annotated[Literal["classification", "regression"] | None, typer.Option(help=_TASK)]
Unit = Annotated[str | None, typer.Option(help="Unit of a quantity, for answers and the card.")]


def roles_of(
    group: str | None,
    time: str | None,
    fold: str | None,
    weight: str | None,
    task: str | None,
    unit: str | None,
) -> dict[str, str]:
    """The columns that are named, and what the target is, by option."""
    named = {"group": group, "time": time, "fold": fold, "weight": weight, "task": task, "unit": unit}
    return {option: said for option, said in named.items() if said is not None}
