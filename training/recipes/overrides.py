"""Hyperparameters other than the model's own: from a file, or of the best trial of a search."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from training.errors import TrainingError
from training.evaluation.quantities import QUANTITY_METRICS
from training.evaluation.scores import METRICS
from training.networks.training_loop import Recipe
from training.recipes.official import ModelRecipe

#: All but those that the data decide.
_DECIDED = ("exclusive", "quantiles")
_CHOOSABLE = tuple(field.name for field in fields(Recipe) if field.name not in _DECIDED)

#: What a hyperparameter may be: within these no step of training is undefined, though it may not learn.
_BOUNDS: dict[str, tuple[float, float]] = {
    "units": (1, 8192),
    "layers": (1, 64),
    "dropout": (0, 0.9),
    "input_dropout": (0, 0.9),
    "learning_rate": (1e-8, 1),
    "weight_decay": (0, 100),
    "batch_size": (1, 1_000_000),
    "epochs": (1, 10_000),
    "rare_share": (0, 0.5),
}


def recipe_of_file(recipe: ModelRecipe, path: Path) -> ModelRecipe:
    """The model's recipe with hyperparameters from a JSON file, as in ``{"units": 128, "layers": 6}``.

    They are those of every round. The file may also be a manifest's ``provenance.configuration``, with
    a network per round. Raises ``TrainingError`` if it is not JSON, or names the wrong hyperparameter.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingError(f"--recipe {path} cannot be read as JSON: {error}") from error
    selection = f"Hyperparameters were given by the file {path.name}."
    if not isinstance(document, dict) or not document:
        raise TrainingError(f'--recipe {path} is no object of hyperparameters, as in {{"units": 128}}')
    networks = document.get("networks", [document.get("network")])
    if not isinstance(networks, list) or not all(isinstance(network, dict) for network in networks):
        return override(recipe, document, selection)
    quantiles = recipe.networks[0].quantiles
    recipes = tuple(
        _with(
            Recipe(quantiles=quantiles), {name: network[name] for name in _CHOOSABLE if name in network}
        )
        for network in networks
    )
    return replace(recipe, networks=recipes, selection=selection, contenders=())


def override(
    recipe: ModelRecipe,
    network: dict[str, Any],
    selection: str,
    search: dict[str, JsonValue] | None = None,
) -> ModelRecipe:
    """The recipe with other hyperparameters in every round; raises ``TrainingError`` for a wrong one."""
    networks = tuple(_with(own, network) for own in recipe.networks)
    return replace(recipe, networks=networks, selection=selection, search=search, contenders=())


def with_metric(recipe: ModelRecipe, name: str) -> ModelRecipe:
    """The recipe with another metric to choose its networks by; raises ``TrainingError``."""
    is_quantity = recipe.metric in QUANTITY_METRICS
    metrics = QUANTITY_METRICS if is_quantity else METRICS
    metric = next((each for each in metrics if each == name), None)
    if metric is None:
        kind = ("a quantity", "regression") if is_quantity else ("classes", "classification")
        raise TrainingError(
            f"metric {name}: the target is learned as {kind[0]} (--task {kind[1]}), whose metric is one"
            f" of {', '.join(metrics)}"
        )
    if not recipe.contenders:
        raise TrainingError(f"metric {name}: nothing is chosen by it, since the recipe is one alone")
    return replace(recipe, metric=metric)


def _with(recipe: Recipe, network: dict[str, Any]) -> Recipe:
    unknown = [name for name in network if name not in _CHOOSABLE]
    if unknown:
        raise TrainingError(
            f"no hyperparameter is named {unknown[0]!r}; there are {', '.join(_CHOOSABLE)}"
        )
    try:
        # A dataclass alone would take values of any type.
        changed = TypeAdapter(Recipe).validate_python(asdict(recipe) | network)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise TrainingError(f"hyperparameter {first['loc'][0]}: {first['msg']}") from error
    for name, (least, most) in _BOUNDS.items():
        value = getattr(changed, name)
        if not least <= value <= most:
            raise TrainingError(f"hyperparameter {name} is {value:g}; it must be {least:g} to {most:g}")
    return changed
