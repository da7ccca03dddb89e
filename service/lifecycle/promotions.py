"""Reads what the repository promotes, and says once which folders in it are no models."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.errors import ModelError
from models.registry.releases import Releases
from models.registry.serving_state import ServingState
from models.registry.store import Repository
from service.lifecycle.loader import Files, Loader
from service.observability.logs import get_logger

_log = get_logger()


class Promoted(NamedTuple):
    """What is promoted of a model, or what is wrong with it, and the files of versions that failed.

    ``vanished``: nothing is promoted any more.
    """

    wanted: ServingState | str
    files: dict[int, Files]
    vanished: bool = False


class Promotions:
    """The promotions of a repository; ``releases`` knows exemptions from them."""

    def __init__(self, repository: Repository, releases: Releases | None, loader: Loader) -> None:
        self._repository = repository
        self._serving = (releases or repository).serving
        self._loader = loader
        self._strays: dict[str, str] = {}

    def read(self, failed: Mapping[str, Sequence[int]]) -> dict[str, Promoted]:
        """Read what is promoted, by model; ``failed`` are the versions that could not be loaded.

        Blocks: call it in a thread. Raises ``ModelError`` or ``OSError`` if there is no repository.
        """
        promoted = {}
        for name in self._repository.models():
            try:
                wanted: ServingState | str = self._serving(name)
            except (ModelError, OSError) as error:
                wanted = str(error)
            files = {version: self._loader.files(name, version) for version in failed.get(name, [])}
            promoted[name] = Promoted(wanted, files)
        return promoted

    def tell_strays(self) -> None:
        """Log each folder that is not served, once. Blocks and raises as ``read``."""
        strays = self._repository.strays()
        for name, reason in strays.items():
            if self._strays.get(name) != reason:
                _log.warning("folder skipped", folder=name[:80], reason=reason)
        self._strays = strays
