"""Says which models take a file that the asked one does not."""

from typing import BinaryIO

from models.bundle.loading import open_bundle
from models.errors import ModelError
from models.registry.store import Repository
from service.errors import InvalidRequest, MalformedInput
from service.tables import RecordSchema, open_source


def models_that_take(kind: str, file: BinaryIO, repository: Repository, refused: str) -> list[str]:
    """Return the names of the champions, but ``refused``, that find their columns in a seekable file."""
    fitting = []
    for name in repository.models():
        if name == refused:
            continue
        try:
            bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
            file.seek(0)
            open_source(kind, file, RecordSchema.of(bundle.featurizer))
        except (InvalidRequest, MalformedInput, ModelError, OSError):
            continue
        fitting.append(name)
    return fitting


def advice(names: list[str]) -> str:
    """Return what to add to a refusal, empty where no other model takes the file."""
    if not names:
        return ""
    return f". The file has the columns of {' and '.join(names)}: --model {names[0]}"
