"""What is promoted of a model: its champion, and the champions before."""

import json
from dataclasses import dataclass, field

from models.errors import RepositoryError


@dataclass(frozen=True, slots=True)
class ServingState:
    """The content of ``serving.json``: the champion's version, and earlier champions, latest first."""

    champion: int
    previous: tuple[int, ...] = ()
    #: The number of changes so far, which differs even between two promotions of the same version.
    generation: int = field(default=0, compare=False)

    def rolled_back(self, model: str) -> "ServingState":
        """The state with the champion's predecessor as champion.

        Raises ``RepositoryError``, naming ``model``, if there is no predecessor.
        """
        if not self.previous:
            raise RepositoryError(
                f"model {model!r} has no earlier champion than version {self.champion}"
            )
        return ServingState(self.previous[0], self.previous[1:], self.generation + 1)


def parse_serving(text: bytes, place: str) -> ServingState:
    """Parse the content of ``serving.json``; raises ``RepositoryError`` that begins with ``place``."""
    try:
        document = json.loads(text)
        champion, previous = document["champion"], document.get("previous", [])
        generation = document.get("generation", 0)
        if any(type(number) is not int for number in [champion, *previous, generation]):
            raise TypeError("versions are whole numbers")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RepositoryError(
            f'{place} is malformed ({error}); it should read {{"champion": 1, "previous": []}}'
        ) from error
    return ServingState(champion, tuple(previous), generation)
