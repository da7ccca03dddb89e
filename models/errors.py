"""Everything that can be wrong with a model, as the contract between training and service sees it.

    ModelError
    ├── FeaturizerError     a featurizer that cannot be built from its manifest entry
    ├── BundleRefused       a bundle that must not be served: altered, truncated, foreign
    │   └── NotReproduced   its golden rows do not come out as they were published; it knows where
    ├── LogUnwritable       a step that was taken, but could not be written into the release log
    └── RepositoryError     the model repository cannot do what was asked
        ├── ReadOnly        it cannot be written to from here
        ├── UnknownModel    no such model, or nothing promoted yet
        └── UnknownVersion  no such version of that model

A bad *record* is none of these: featurizers answer it with ``Rejected`` and go on.
The core raises these and knows no HTTP; the service's edge translates them.
"""

from dataclasses import dataclass
from typing import Literal


class ModelError(Exception):
    """The root of this package's errors; its text says what was wrong, where, and what to do."""


class FeaturizerError(ModelError):
    """A featurizer identifier or its parameters are not ones that this build can honour."""


class BundleRefused(ModelError):
    """A bundle failed a check on the way to being served; the text names the file and the check."""


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a model, in the order of computing; members from 0, hidden layers from 1.

    A ``layer`` and an ``output`` (a member's last, linear map) have a member, a layer its number.
    ``network`` is all after the inputs, of a model without taps to tell more.
    """

    part: Literal["featurizer", "squash", "layer", "output", "calibration", "network"]
    member: int | None = None
    layer: int | None = None


class NotReproduced(BundleRefused):
    """The golden rows came out otherwise; ``place`` is the first part of the model that differs."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class LogUnwritable(ModelError):
    """A step was taken that could not be written into the release log."""


class RepositoryError(ModelError):
    """The model repository could not carry out a publish, a promotion or a look-up."""


class ReadOnly(RepositoryError):
    """The repository cannot be written to from here."""


class UnknownModel(RepositoryError):
    """The repository holds no such model, or no version of it has been promoted."""


class UnknownVersion(RepositoryError):
    """The repository holds the model but not that version of it."""
