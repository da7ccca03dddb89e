"""What is promoted of a model: its champion, the champions before, and a challenger on trial."""

import json
from dataclasses import dataclass, field
from typing import Any

from models.errors import RepositoryError


@dataclass(frozen=True, slots=True)
class Challenger:
    """A version on trial beside the champion.

    ``share`` of the requests are answered by it (a canary); with a share of 0 it answers none, and
    computes what the champion answers once more (a shadow). ``sticky``: requests with the same API key
    are answered by the same version. ``auto``: the service promotes or drops it by itself. ``salt``
    makes the choice of requests unlike that of any other trial.
    """

    version: int
    share: float = 0.0
    sticky: bool = False
    auto: bool = False
    salt: str = ""

    @property
    def how(self) -> str:
        """How it is tried, in words."""
        told = f"answers {100 * self.share:.6g} % of the requests" if self.share else "in the shadow"
        if self.sticky and self.share:
            told += ", by API key"
        return told + (", promoted or dropped by itself" if self.auto else "")


@dataclass(frozen=True, slots=True)
class ServingState:
    """The content of ``serving.json``: the champion's version, and earlier champions, latest first."""

    champion: int
    previous: tuple[int, ...] = ()
    #: The number of changes so far, which differs even between two promotions of the same version.
    generation: int = field(default=0, compare=False)
    #: Ends with the next promotion or rollback; None for no trial.
    challenger: Challenger | None = None

    def ended_by(self, challenger: Challenger) -> str:
        """What the release log adds where another version's trial ends by this one; mostly nothing."""
        before = self.challenger
        if before is None or before.version == challenger.version:
            return ""
        return f"; until now version {before.version} was on trial"

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
        challenger = _challenger(document.get("challenger"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RepositoryError(
            f'{place} is malformed ({error}); it should read {{"champion": 1, "previous": []}}'
        ) from error
    return ServingState(champion, tuple(previous), generation, challenger)


def _challenger(document: dict[str, Any] | None) -> Challenger | None:
    """Read a challenger; raises ``TypeError`` or ``ValueError`` for one that is none."""
    if document is None:
        return None
    challenger = Challenger(**document)
    kinds = type(challenger.version), type(challenger.sticky), type(challenger.auto)
    if kinds != (int, bool, bool) or not isinstance(challenger.salt, str):
        raise TypeError("a challenger has a version, a share, sticky, auto and a salt")
    if not 0 <= challenger.share < 1:
        raise ValueError("a challenger's share is from 0 to less than 1")
    return challenger
