"""Options that several commands have."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.errors import TrainingError

if TYPE_CHECKING:
    from training.data.user_file import UserFile

#: Models that have an official data set.
OFFICIAL = ("htru2", "tox21")
DEFAULT_MODELS = Path(__file__).resolve().parents[2] / "models" / "repository"
DEFAULT_STATE = Path("state")

Model = Annotated[str, typer.Argument(help="htru2, tox21, or a name of your own, as in my-task.")]
Data = Annotated[Path | None, typer.Option(help="A table with your own rows, CSV or Parquet.")]
Target = Annotated[str | None, typer.Option(help="Column to predict; the champion's if left out.")]
_INSTEAD = "For htru2 and tox21: use DATA instead of the official set, or add it (the default)."
Instead = Annotated[bool | None, typer.Option("--instead/--add", help=_INSTEAD, show_default=False)]
Positive = Annotated[str | None, typer.Option(help="Which of two classes is the positive one.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Column to leave out; repeatable.")]
_CATEGORY = "Column whose numbers are categories; repeatable."
Category = Annotated[list[str] | None, typer.Option(help=_CATEGORY)]
Models = Annotated[Path, typer.Option(envvar="SNN_MODELS", show_default=False, help="Model repository.")]
State = Annotated[
    Path, typer.Option(envvar="SNN_STATE", show_default=False, help="Release log's folder.")
]
Why = Annotated[str, typer.Option(help="Reason, for the release log.")]


def user_file_of(
    model: str,
    data: Path | None,
    target: str | None,
    positive: str | None,
    ignore: list[str] | None,
    category: list[str] | None,
    instead: bool | None,
    spelling: Mapping[str, Any],
) -> "UserFile | None":
    """The file and how it is read, None without one.

    Raises ``TrainingError`` for options alone, and for those that a model with an official set has not.
    """
    columns = {"target": target, "positive": positive, "ignore": ignore, "category": category}
    said = [f"--{name.replace('_', '-')}" for name, value in (columns | dict(spelling)).items() if value]
    if said and model in OFFICIAL:
        raise TrainingError(
            f"{said[0]}: {model} has targets and columns of its own, and is trained as they are; give"
            " --data alone, or train a model of another name"
        )
    from training.data.user_file import UserFile  # numpy, which training.data needs, may be missing

    if data is not None:
        named = (tuple(ignore or ()), tuple(category or ()))
        return UserFile(data, target, positive, *named, instead=instead, **spelling)
    if instead is not None or said:
        option = said[0] if said else "--add or --instead"
        raise TrainingError(f"{option} says how --data FILE is to be read, and --data is missing")
    return None
