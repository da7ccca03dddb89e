"""Exemptions from promotions: rollbacks in a repository that cannot be written, kept beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.errors import RepositoryError
from models.registry.durable_files import locked, replace_file
from models.registry.serving_state import ServingState

EXEMPTIONS_FILE = "exemptions.json"


@dataclass(frozen=True, slots=True)
class Exemption:
    """Serve version ``serve`` instead of the champion until the next promotion.

    It is in force as long as the repository has this ``champion`` and ``generation``.
    """

    champion: int
    generation: int
    serve: int
    why: str


@dataclass(frozen=True, slots=True)
class Exemptions:
    """The exemptions of one state folder."""

    state: Path

    def of(self, model: str, serving: ServingState) -> Exemption | None:
        """The exemption that is in force for a model, None for none; raises ``RepositoryError``."""
        exemption = self._read().get(model)
        promotion = (serving.champion, serving.generation)
        if exemption is None or (exemption.champion, exemption.generation) != promotion:
            return None
        return exemption

    def add(self, model: str, serving: ServingState, serve: int, why: str) -> None:
        """Have version ``serve`` served in place of what ``serving`` promotes."""
        self.state.mkdir(parents=True, exist_ok=True)
        with locked(self.state):
            exemptions = self._read()
            exemptions[model] = Exemption(serving.champion, serving.generation, serve, why)
            text = json.dumps({name: asdict(entry) for name, entry in exemptions.items()}, indent=1)
            replace_file(self.state / EXEMPTIONS_FILE, text)

    def _read(self) -> dict[str, Exemption]:
        path = self.state / EXEMPTIONS_FILE
        try:
            document = json.loads(path.read_bytes())
            return {model: Exemption(**entry) for model, entry in document.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise RepositoryError(
                f"{path} is malformed ({error}); remove it to serve what is promoted"
            ) from error
