"""Cut-offs: what each was worth on rows left out, and those that a request asks for in its own way.

A curve is a bundle's file. It lets a user ask for a share of positives to be found, or for a rate of
false positives, in place of a probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from models.bundle.manifest import CURVES_FILE, Manifest
from models.bundle.targets import Fraction
from models.errors import BundleRefused, CutOffRefused

#: The most points of a curve.
MOST_POINTS = 512

#: What a cut-off may be asked for by.
By = Literal["threshold", "recall", "fpr"]
_NAMES = {"threshold": "a probability", "recall": "a share", "fpr": "a share"}

_Count = Annotated[int, Field(ge=0)]
#: Rates are compared with what was asked for up to the rounding of a division.
_ROUNDING = 1e-9


class Curve(BaseModel):
    """Calls of one target by cut-off, on rows that no member saw and by maps from other rows.

    Of the ``positive`` and ``negative`` rows ``hits`` and ``false_alarms`` have a probability of at
    least ``threshold``. Thresholds fall, so that both numbers rise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: Annotated[list[Fraction], Field(min_length=1, max_length=MOST_POINTS)]
    hits: list[_Count]
    false_alarms: list[_Count]
    positive: Annotated[int, Field(ge=1)]
    negative: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        """Check that the lists are of one length and ordered."""
        if not len(self.threshold) == len(self.hits) == len(self.false_alarms):
            raise ValueError("its lists differ in length")
        steps = [-np.diff(self.threshold), np.diff(self.hits), np.diff(self.false_alarms)]
        if any((step < 0).any() for step in steps):
            raise ValueError("its points are not in order")
        if self.hits[-1] > self.positive or self.false_alarms[-1] > self.negative:
            raise ValueError("it has more calls than rows")
        return self

    @property
    def recall(self) -> NDArray[np.float64]:
        """The share of positive rows that are called, by point."""
        return np.array(self.hits) / self.positive

    @property
    def false_positive_rate(self) -> NDArray[np.float64]:
        """The share of negative rows that are called, by point."""
        return np.array(self.false_alarms) / self.negative

    @property
    def precision(self) -> NDArray[np.float64]:
        """The share of called rows that are positive, by point; 1 where none is called."""
        calls = np.array(self.hits) + np.array(self.false_alarms)
        return np.where(calls > 0, np.array(self.hits) / np.maximum(calls, 1), 1.0)

    def for_recall(self, recall: float) -> float:
        """The highest cut-off of the curve that finds at least this share; raises ``CutOffRefused``."""
        reached = np.flatnonzero(self.recall >= recall - _ROUNDING)
        if not len(reached):
            raise CutOffRefused(
                f"recall {recall:g} is not reached: the most that the curve has is {self.recall[-1]:.4g}"
            )
        return self.threshold[int(reached[0])]

    def for_false_positive_rate(self, rate: float) -> float:
        """The lowest cut-off of the curve with at most this rate; raises ``CutOffRefused``."""
        least = 1 / self.negative
        if rate < least - _ROUNDING:
            raise CutOffRefused(
                f"fpr {rate:g} cannot be told from none: of {self.negative} negative rows one is"
                f" {least:.2g}, which is the least that can be asked for"
            )
        within = np.flatnonzero(self.false_positive_rate <= rate + _ROUNDING)
        if not len(within):
            raise CutOffRefused(
                f"fpr {rate:g} is not reached: the least that the curve has is"
                f" {self.false_positive_rate[0]:.2g}"
            )
        return self.threshold[int(within[-1])]


_curves = TypeAdapter(dict[str, Curve])


def curves_to_bytes(curves: Mapping[str, Curve]) -> bytes:
    """The file of the curves by target."""
    return _curves.dump_json(dict(curves)) + b"\n"


def curves_of_bytes(content: bytes, targets: Sequence[str]) -> dict[str, Curve]:
    """Read the curves of all ``targets``; raises ``BundleRefused`` for any other content."""
    try:
        curves = _curves.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "document"
        raise BundleRefused(f"{CURVES_FILE}: {place}: {first['msg']}") from error
    if list(curves) != list(targets):
        raise BundleRefused(f"{CURVES_FILE}: its targets are not the manifest's")
    return curves


@dataclass(frozen=True, slots=True)
class CutOffs:
    """What a request asks for: one value for all targets, or names with values for some of them."""

    by: By
    value: float | tuple[tuple[str, float], ...]


def thresholds_of(
    manifest: Manifest, curves: Mapping[str, Curve] | None, asked: CutOffs | None = None
) -> NDArray[np.float64]:
    """The probability ``(T,)`` from which each target is called; the manifest's where none is asked for.

    ``curves`` is None for a bundle without them. Raises ``CutOffRefused`` if what is asked for is no
    value, names no target, or is not reached.
    """
    own = np.array([target.threshold for target in manifest.targets])
    if asked is None:
        return own
    by, value = asked.by, asked.value
    if manifest.is_regression:
        raise CutOffRefused(
            f"{by} is asked for, and model {manifest.name!r} predicts a quantity, which is not called:"
            " leave it out, and compare the value or its interval with a limit of your own"
        )
    if manifest.exclusive:
        raise CutOffRefused(
            f"{by} is asked for, and the targets of model {manifest.name!r} are classes: the most"
            " probable is called, by no cut-off"
        )
    names = manifest.target_names
    wanted = dict(value) if isinstance(value, tuple) else dict.fromkeys(names, value)
    if not wanted:
        raise CutOffRefused(f"{by} names no target; give a number, or one for each of some targets")
    for name, number in wanted.items():
        if name not in names:
            raise CutOffRefused(
                f"{by} is asked for of {name[:80]!r}; model {manifest.name!r} has {', '.join(names)}"
            )
        if not (0 <= number <= 1 and (number > 0 or by == "threshold")):
            least = "from 0" if by == "threshold" else "above 0 and up"
            raise CutOffRefused(f"{by} of {name} is {number:g}; it is {_NAMES[by]} {least} to 1")
        own[names.index(name)] = number if by == "threshold" else _by_curve(curves, name, by, number)
    return own


def _by_curve(curves: Mapping[str, Curve] | None, name: str, by: By, number: float) -> float:
    if curves is None:
        raise CutOffRefused(
            f"{by} needs the curve of rows left out, which this version was published without; give a"
            " threshold, or train the model again"
        )
    try:
        curve = curves[name]
        return curve.for_recall(number) if by == "recall" else curve.for_false_positive_rate(number)
    except CutOffRefused as error:
        raise CutOffRefused(f"{name}: {error}") from error
