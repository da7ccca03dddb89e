"""What a model is trained on, and by which recipe: an official data set, or a file of one's own."""

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

LOADERS = {"htru2": load_htru2, "tox21": load_tox21}
OWN_LOADERS = {"htru2": load_candidates, "tox21": load_molecules}


def load_task(model: str, own: UserFile | None, repository: Repository) -> tuple[Dataset, ModelRecipe]:
    """Load what ``model`` learns from, with its default recipe; raises ``DataError``.

    A table that is there again, for a model that is served already, is read as the last one was.
    """
    if model in LOADERS:
        if own is None:
            return LOADERS[model](), RECIPES[model]
        if own.target or own.positive or own.ignore or own.category:
            raise DataError(f"{model} has targets and columns of its own: give --data alone")
        return OWN_LOADERS[model](own.path, instead=bool(own.instead)), RECIPES[model]
    if own is None:
        raise DataError(
            f"no data set is known for {model!r}; there are {', '.join(LOADERS)}, and a task of your own"
            " takes --data FILE --target COLUMN"
        )
    repository.versions(model)  # raises for what is no name
    if own.instead is not None:
        raise DataError("--add and --instead are for htru2 and tox21, which have an official set")
    dataset = load_table(model, own.path, _reading(model, own, repository))
    return dataset, table_recipe(dataset)


def _reading(model: str, own: UserFile, repository: Repository) -> Reading:
    if own.target is not None:
        return Reading(
            target=own.target, positive=own.positive, ignore=own.ignore, category=own.category
        )
    try:
        version = repository.serving(model).champion
    except UnknownModel:
        raise DataError(f"{model} is new: --target says which column is to be predicted") from None
    read = open_bundle(repository.bundle(model, version)).manifest.provenance.configuration.get("table")
    if not isinstance(read, dict) or "target" not in read:
        raise DataError(f"{model} was not made from a table; --target says what is to be predicted")
    return Reading.model_validate(read)
