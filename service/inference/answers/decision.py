"""By which cut-offs a request's records are called, and how a request asks for its own."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from models.bundle.cutoffs import By, CutOffs, thresholds_of
from models.bundle.loading import Bundle
from models.bundle.targets import Quantity
from service.errors import InvalidRequest

_WAYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True)
class Decision:
    """By which cut-offs records are called, and what else is said of them.

    ``thresholds`` ``(T,)`` are those of the calls; ``asked`` where a request has chosen them. ``levels``
    ``(2, T)`` are where elevated and active begin, None of what are no assays. ``spread`` ``(2, T)`` are
    the factor and the typical deviation of intervals, None where none is asked for. Where targets are
    quantities, which are not called, ``decimals`` ``(T,)`` are the places to which values are shown.
    """

    thresholds: NDArray[np.float64]
    levels: NDArray[np.float64] | None = None
    asked: bool = False
    spread: NDArray[np.float64] | None = None
    decimals: tuple[int, ...] | None = None
    #: Whether results are probabilities and calls alone.
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        """Tell once what every request asks."""
        plain = self.levels is None and self.spread is None and self.decimals is None
        object.__setattr__(self, "is_plain", plain)

    @property
    def gives_intervals(self) -> bool:
        """Whether results have intervals: those of quantities always do."""
        return self.spread is not None or self.decimals is not None

    @classmethod
    def of(
        cls, bundle: Bundle, cut_offs: CutOffs | None = None, *, interval: bool = False
    ) -> "Decision":
        """Return the bundle's own, or what a request asks for.

        Raises ``CutOffRefused`` as ``thresholds_of`` does, and ``InvalidRequest`` where a bundle has no
        intervals.
        """
        manifest = bundle.manifest
        thresholds = thresholds_of(manifest, bundle.curves, cut_offs)
        if manifest.is_regression:
            return cls(thresholds, decimals=tuple(map(_decimals, manifest.quantities)))
        levels = spread = None
        if manifest.are_assays:
            levels = np.array([[t.elevated, t.threshold] for t in manifest.targets], np.float64).T
        if interval:
            known = [t.spread for t in manifest.targets if t.spread is not None]
            if len(known) < len(manifest.targets):
                raise InvalidRequest(
                    f"model {manifest.name!r} version {manifest.version} was published without intervals"
                )
            slopes = [target.slope for target in manifest.targets]
            factors = [own.factor * slope for own, slope in zip(known, slopes, strict=True)]
            spread = np.array([factors, [own.typical for own in known]])
        return cls(thresholds, levels, cut_offs is not None, spread)


def _decimals(quantity: Quantity) -> int:
    """The decimal places that tell a hundred-thousandth of a standard deviation.

    Single precision, in which networks compute, tells little more.
    """
    return 5 - math.floor(math.log10(quantity.scale))


def cut_offs_of(*said: Mapping[str, object]) -> CutOffs | None:
    """Return what the body, the query or the form asks for; each maps names to values or None.

    Texts are numbers, or JSON objects of numbers by target. Raises ``InvalidRequest`` for any other
    text, and where more than one cut-off is asked for.
    """
    asked = [
        CutOffs(by, _value(by, value))
        for values in said
        for by in _WAYS
        if (value := values.get(by)) is not None
    ]
    if len(asked) > 1 and any(one != asked[0] for one in asked):
        names = list(dict.fromkeys(one.by for one in asked))
        what = " and ".join(names) if len(names) > 1 else f"{names[0]} twice"
        raise InvalidRequest(f"{what} are asked for; one of {', '.join(_WAYS)} decides the calls")
    return asked[0] if asked else None


def flag_of(name: str, text: str | None) -> bool:
    """Return a flag of the query; raises ``InvalidRequest`` for a text that is none."""
    if text not in (None, "true", "false"):
        raise InvalidRequest(f"the parameter {name!r} is 'true' or 'false'")
    return text == "true"


def _value(by: By, value: object) -> float | tuple[tuple[str, float], ...]:
    values: Any = value
    if isinstance(value, str):
        try:
            values = json.loads(value) if value.lstrip().startswith("{") else float(value)
        except (ValueError, RecursionError):
            raise _unreadable(by, value) from None
    if _is_number(values):
        return float(values)
    if isinstance(values, dict) and all(map(_is_number, values.values())):
        return tuple((str(name), float(number)) for name, number in values.items())
    raise _unreadable(by, str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _unreadable(by: str, text: str) -> InvalidRequest:
    return InvalidRequest(
        f"{by} is {text[:80]!r}; it is a number, or an object of numbers by target such as"
        ' {"NR-AR": 0.9}'
    )
