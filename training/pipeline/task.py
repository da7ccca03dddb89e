"""The data and the default recipe of a model: an official data set, or a user's own file."""

from models.bundle.loading import open_bundle
from models.errors import UnknownModel
from models.registry.store import Repository
from training.data import (
    Dataset,
    Reading,
    load_candidates,
    load_htru2,
    load_molecules,
    load_table,
    load_tox21,
)
from training.data.user_file import UserFile
from training.errors import DataError
from training.recipes.official import RECIPES, ModelRecipe
from training.recipes.table import table_recipe

_LOADERS = {"htru2": load_htru2, "tox21": load_tox21}
_OWN_LOADERS = {"htru2": load_candidates, "tox21": load_molecules}


def load_task(
    model: str, user_file: UserFile | None, repository: Repository
) -> tuple[Dataset, ModelRecipe]:
    """Load the data of ``model`` and its default recipe.

    A table without ``target`` is read as the champion's was. Raises ``DataError`` if the data cannot be
    had or the options do not fit the model.
    """
    if model in _LOADERS:
        if user_file is None:
            return _LOADERS[model](), RECIPES[model]
        if user_file.says_how:
            raise DataError(f"{model} has targets and columns of its own: give --data alone")
        return _OWN_LOADERS[model](user_file.path, instead=bool(user_file.instead)), RECIPES[model]
    if user_file is None:
        raise DataError(
            f"no data set is known for {model!r}; there are {', '.join(_LOADERS)}, and a task of your"
            " own takes --data FILE --target COLUMN"
        )
    repository.versions(model)  # raises if the name is not valid
    if user_file.instead is not None:
        raise DataError("--add and --instead are for htru2 and tox21, which have an official set")
    dataset = load_table(model, user_file.path, _reading(model, user_file, repository))
    return dataset, table_recipe(dataset)


def _reading(model: str, user_file: UserFile, repository: Repository) -> Reading:
    if user_file.target is not None:
        return Reading.model_validate(user_file, from_attributes=True)
    try:
        version = repository.serving(model).champion
    except UnknownModel:
        raise DataError(f"{model} is new: --target says which column is to be predicted") from None
    champion = open_bundle(repository.bundle(model, version))
    table = champion.manifest.provenance.configuration.get("table")
    if not isinstance(table, dict) or "target" not in table:
        raise DataError(f"{model} was not made from a table; --target says what is to be predicted")
    return Reading.model_validate(table)
