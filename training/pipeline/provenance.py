"""What a run is made of, for its manifest and for telling two runs apart."""

import hashlib
import json
import platform
from importlib.metadata import version
from typing import Any

import onnxruntime
from pydantic import JsonValue

from training.data import Dataset
from training.networks.ensemble import members_of
from training.recipes.official import ModelRecipe

_LIBRARIES = ("torch", "onnx", "numpy", "scipy", "rdkit", "scikit-learn")

#: Raised when the same data, recipe and seed come to train another model.
_PROCEDURE = 3


def provenance(dataset: Dataset, recipe: ModelRecipe, seed: int) -> dict[str, JsonValue]:
    """What a run is made of, before it begins: data, recipe, procedure, libraries, and their hash.

    Two runs of one training hash publish the same model, whatever their files are called.
    """
    libraries: dict[str, JsonValue] = {name: version(name) for name in _LIBRARIES}
    # The GPU build is a distribution of another name; the module has the version of either.
    libraries["onnxruntime"] = onnxruntime.__version__
    libraries["python"] = platform.python_version()
    configuration = recipe.configuration() | {"procedure": _PROCEDURE, "featurizer": dataset.featurizer}
    document: dict[str, JsonValue] = {
        "configuration": configuration | ({"table": dataset.table} if dataset.table else {}),
        "data": dict(dataset.sources),
        "fold_rule": dataset.fold_rule,
        "libraries": libraries,
    }
    seeds = [member.seed for member in members_of(dataset.folds, recipe.served, seed)]
    nameless = {key: value for key, value in dataset.table.items() if key != "file"}
    content = {"data": sorted(dataset.sources.values()), "table": nameless, "seeds": seeds}
    made_of = [dataset.name, document | {"configuration": configuration} | content]
    text = json.dumps(made_of, sort_keys=True)
    return document | {"training_hash": hashlib.sha256(text.encode()).hexdigest()}


def with_choice(
    document: dict[str, JsonValue], taken: ModelRecipe, scores: tuple[float, ...]
) -> dict[str, JsonValue]:
    """A run's provenance with the recipe that was taken of several, which had ``scores``."""
    if not scores:
        return document
    configuration: Any = document["configuration"]
    choice = {"networks": taken.configuration()["networks"], "scores": list(scores)}
    return document | {"configuration": configuration | choice}
