"""Errors of models, featurizers, bundles and the model repository.

    ModelError
    ├── FeaturizerError     the featurizer cannot be built from its manifest entry
    ├── BundleRefused       the bundle must not be served: altered, truncated, foreign
    │   └── NotReproduced   a golden row differs from the published one; says in which part
    ├── CutOffRefused       a cut-off that is asked for is none, or is not reached
    ├── UnreadableFile      a file of a table cannot be read
    ├── LogUnwritable       a step was taken but could not be written to the release log
    └── RepositoryError     the model repository cannot do what was asked
        ├── ReadOnly        the repository cannot be written to
        ├── UnknownModel    no such model, or no version of it was promoted
        └── UnknownVersion  no such version of the model

A bad *record* raises none of these: featurizers return ``Rejected`` for it. These errors know nothing of
HTTP; the service's API translates them.
"""

from dataclasses import dataclass
from typing import Literal


class ModelError(Exception):
    """The base class; the text says what is wrong, where, and what to do."""


class FeaturizerError(ModelError):
    """The featurizer's identifier or parameters are not supported by this build."""


class BundleRefused(ModelError):
    """A bundle failed a check before serving; the text names the file and the check."""


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a model; ``part`` lists them in the order of computation.

    ``member``, counted from 0: given for a ``layer`` and for an ``output``, a member's last linear map.
    ``layer``, counted from 1: given for a hidden ``layer``. ``network`` is everything after the inputs,
    for a model without taps, where no more is known.
    """

    part: Literal["featurizer", "squash", "layer", "output", "calibration", "network"]
    member: int | None = None
    layer: int | None = None


class NotReproduced(BundleRefused):
    """A golden row differs from the published one; ``place`` is the first part that differs."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class CutOffRefused(ModelError):
    """A cut-off that is asked for is no value, names no target, or is not reached."""


class UnreadableFile(ModelError):
    """A file of a table, or a row of it, cannot be read; the text says why, after the file's name."""


class LogUnwritable(ModelError):
    """A step was taken but could not be written to the release log."""


class RepositoryError(ModelError):
    """The model repository could not publish, promote or look up a version."""


class ReadOnly(RepositoryError):
    """The repository cannot be written to."""


class UnknownModel(RepositoryError):
    """The repository has no such model, or no version of it was promoted."""


class UnknownVersion(RepositoryError):
    """The repository has the model but not this version of it."""
