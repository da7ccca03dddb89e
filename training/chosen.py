"""A recipe other than the model's own: from a file, or the winner of a search."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from training.errors import TrainingError
from training.recipes import ModelRecipe
from training.train import Recipe

#: What may be chosen; whether targets exclude each other is the data's to say.
CHOOSABLE = tuple(field.name for field in fields(Recipe) if field.name != "exclusive")


def recipe_of_file(recipe: ModelRecipe, path: Path) -> ModelRecipe:
    """The model's recipe with hyperparameters from a JSON file, as in ``{"units": 128, "layers": 6}``.

    A manifest's ``provenance.configuration`` will do, too. Raises ``TrainingError``.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingError(f"--recipe {path} cannot be read as JSON: {error}") from error
    if isinstance(document, dict) and isinstance(document.get("network"), dict):
        document = {name: value for name, value in document["network"].items() if name in CHOOSABLE}
    if not isinstance(document, dict) or not document:
        raise TrainingError(f'--recipe {path} is no object of hyperparameters, as in {{"units": 128}}')
    return chosen(recipe, document, f"Hyperparameters were given by the file {path.name}.")


def chosen(
    recipe: ModelRecipe,
    network: dict[str, Any],
    selection: str,
    search: dict[str, JsonValue] | None = None,
) -> ModelRecipe:
    """The recipe with other hyperparameters; raises ``TrainingError`` naming one that is wrong."""
    unknown = [name for name in network if name not in CHOOSABLE]
    if unknown:
        raise TrainingError(
            f"no hyperparameter is named {unknown[0]!r}; there are {', '.join(CHOOSABLE)}"
        )
    try:
        # Checked, since a dataclass would take any value.
        made = TypeAdapter(Recipe).validate_python(asdict(recipe.network) | network)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise TrainingError(f"hyperparameter {first['loc'][0]}: {first['msg']}") from error
    for name in ("units", "layers", "batch_size", "epochs", "learning_rate"):
        if not getattr(made, name) > 0:
            raise TrainingError(f"hyperparameter {name} must be above 0")
    return replace(recipe, network=made, selection=selection, search=search)
